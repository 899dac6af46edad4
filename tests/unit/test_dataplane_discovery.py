"""What Envoy asks for and what it says by asking, without Envoy."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from knative.local.dataplane import discovery
from knative.local.dataplane.discovery import ROUTES, Discovery


class World:
    """One side offers, the other asks."""

    def __init__(self) -> None:
        self.discovery = Discovery()
        route = Route("/v3/discovery:{subject}", self.discovery.answer, methods=["POST"])
        transport = httpx.ASGITransport(app=Starlette(routes=[route]))
        self.envoy = httpx.AsyncClient(transport=transport, base_url="http://configuration")
        self.questions: set[asyncio.Task[dict[str, Any]]] = set()

    def ask(self, subject: str, running: str = "", *names: str) -> asyncio.Task[dict[str, Any]]:
        """Ask, as Envoy does: at once again after each answer."""
        body = {"version_info": running, "resource_names": names, "node": {"id": "gateway"}}

        async def asked() -> dict[str, Any]:
            answer = await self.envoy.post(f"/v3/discovery:{subject}", json=body)
            found: dict[str, Any] = answer.json()
            return found

        question = asyncio.create_task(asked())
        self.questions.add(question)
        return question


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    async with made.envoy:
        yield made
        for question in made.questions:
            question.cancel()
        await asyncio.gather(*made.questions, return_exceptions=True)


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_question_is_answered_with_what_is_offered_and_the_next_waits_for_news(
    world: World,
) -> None:
    world.discovery.offer(ROUTES, [{"name": "a"}])
    first = await world.ask(ROUTES)
    assert first["resources"] == [{"name": "a"}]
    second = world.ask(ROUTES, first["version_info"])
    await turns()
    assert not second.done()
    world.discovery.offer(ROUTES, [{"name": "b"}])
    assert (await second)["resources"] == [{"name": "b"}]


async def test_each_cluster_has_endpoints_of_its_own(world: World) -> None:
    world.discovery.offer("rev/ns/a", [{"port": 1}])
    world.discovery.offer("rev/ns/b", [{"port": 2}])
    assert (await world.ask("endpoints", "", "rev/ns/b"))["resources"] == [{"port": 2}]


async def test_only_what_envoy_says_it_runs_with_is_settled(world: World) -> None:
    world.discovery.offer(ROUTES, [{"name": "a"}])
    settled = asyncio.create_task(world.discovery.settled())
    version = (await world.ask(ROUTES))["version_info"]
    await turns()
    assert not settled.done()  # it was handed out, no more
    world.ask(ROUTES, version)
    await settled


async def test_a_refusal_is_known_at_once_and_told(
    world: World, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "PAUSE", 0.0)
    world.discovery.offer(ROUTES, [{"name": "good"}])
    good = (await world.ask(ROUTES))["version_info"]
    question = world.ask(ROUTES, good)
    await world.discovery.settled()
    world.discovery.offer(ROUTES, [{"name": "bad"}])
    await question
    world.ask(ROUTES, good)  # not the version of the answer
    await world.discovery.settled()
    assert "Envoy refused the configuration of routes" in caplog.text


async def test_a_gateway_that_starts_anew_is_given_everything_again(world: World) -> None:
    world.discovery.offer(ROUTES, [{"name": "a"}])
    version = (await world.ask(ROUTES))["version_info"]
    world.ask(ROUTES, version)
    await world.discovery.settled()
    world.discovery.forget()
    assert (await world.ask(ROUTES))["version_info"] == version


async def test_what_is_withdrawn_holds_nobody_up(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "PAUSE", 0.0)
    world.discovery.offer("rev/ns/a", [])
    world.discovery.withdraw(["rev/ns/a"])
    await world.discovery.settled()
    answer = await world.envoy.post(
        "/v3/discovery:endpoints", json={"resource_names": ["rev/ns/a"]}
    )
    assert answer.status_code == 404
