"""The activator as Envoy sees it: yes with an address, no with a reason, or not yet."""

import asyncio
from typing import Any

from knative.local.dataplane.activator import REFUSED, Activator

KEY = ("ns", "web-00001")
HEADERS = [(b"knative-serving-namespace", b"ns"), (b"knative-serving-revision", b"web-00001")]


class World:
    """Replicas that a test brings up, and what the activator did about it."""

    def __init__(self, limit: int = 10) -> None:
        self.ports: list[int] = []
        self.woken = 0
        self.activator = Activator(lambda _: self.ports, self.wake, limit)

    def wake(self, _: Any) -> None:
        self.woken += 1

    async def check(self, gone: asyncio.Event | None = None) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        parts = iter([{"type": "http.request"}])

        async def receive() -> Any:
            if part := next(parts, None):
                return part
            await (gone or asyncio.Event()).wait()
            return {"type": "http.disconnect"}

        async def send(part: Any) -> None:
            sent.append(part)

        await self.activator({"type": "http", "headers": HEADERS}, receive, send)
        return sent

    async def waiting(self, number: int) -> None:
        while self.activator.waiting(KEY) != number:
            await asyncio.sleep(0)


def address(sent: list[dict[str, Any]]) -> bytes:
    assert sent[0]["status"] == 200
    headers: dict[bytes, bytes] = dict(sent[0]["headers"])
    return headers[b"x-envoy-original-dst-host"]


async def test_a_ready_replica_is_named_at_once_and_nobody_is_woken() -> None:
    world = World()
    world.ports = [20001]
    assert address(await world.check()) == b"127.0.0.1:20001"
    assert world.woken == 0


async def test_those_that_wait_are_spread_over_the_replicas_when_they_are_ready() -> None:
    world = World()
    checks = [asyncio.create_task(world.check()) for _ in range(4)]
    await world.waiting(4)
    assert world.woken
    world.ports = [20001, 20002]
    world.activator.release(KEY)
    found = [address(await check) for check in checks]
    assert sorted(found) == [b"127.0.0.1:20001"] * 2 + [b"127.0.0.1:20002"] * 2


async def test_a_full_queue_says_no_with_retry_after_and_keeps_those_that_wait() -> None:
    world = World(limit=1)
    first = asyncio.create_task(world.check())
    await world.waiting(1)
    refused = await world.check()
    assert refused[0]["status"] == REFUSED
    assert dict(refused[0]["headers"])[b"retry-after"] == b"1"
    world.ports = [20001]
    world.activator.release(KEY)
    assert address(await first)


async def test_a_failed_start_sends_everybody_away_with_its_reason() -> None:
    world = World()
    check = asyncio.create_task(world.check())
    await world.waiting(1)
    world.activator.refuse(KEY, "no model")
    sent = await check
    assert sent[0]["status"] == REFUSED
    assert b"no model" in sent[1]["body"]
    assert world.activator.held() == []


async def test_a_caller_that_went_away_leaves_the_queue_and_gets_nothing() -> None:
    world, gone = World(), asyncio.Event()
    check = asyncio.create_task(world.check(gone))
    await world.waiting(1)
    gone.set()
    assert await check == []
    assert world.activator.waiting(KEY) == 0
