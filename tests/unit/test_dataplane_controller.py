"""When Envoy is told anew: once for what is new, never for what it has already taken."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from knative.local.carried import WAITING, waits
from knative.local.conditions import set_condition
from knative.local.dataplane.controller import DataPlane
from knative.local.dataplane.envoy import Envoy
from knative.local.dataplane.routing import Resources
from knative.local.pods import PodRunner
from knative.local.pods_env import Surroundings
from knative.local.store import Object, Store
from tests.support.data_plane import until

NS, ROUTES = "ns", 20


@dataclass
class Taking:
    """Takes every configuration at once."""

    pushes: list[Resources] = field(default_factory=list)

    async def push(self, resources: Resources) -> bool:
        self.pushes.append(resources)
        await asyncio.sleep(0)
        return True


@dataclass
class World:
    store: Store
    envoy: Taking

    def ask(self, number: int, revision: str) -> None:
        """Let a Route wait for the data plane to carry this traffic."""
        status: Object = {"traffic": [{"revisionName": revision, "percent": 100}]}
        set_condition(status, "IngressReady", "Unknown", *WAITING, now=datetime.now(UTC))
        self.store.update_status("Route", NS, f"r{number}", status)

    def waiting(self) -> list[Any]:
        return [route["metadata"]["name"] for route in self.store.list("Route") if waits(route)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store, envoy = Store(tmp_path / "store.db"), Taking()
    for number in range(ROUTES):
        meta = {"namespace": NS, "name": f"r{number}"}
        kind = {"apiVersion": "serving.knative.dev/v1", "kind": "Route"}
        store.create({**kind, "metadata": meta, "spec": {}})
    world = World(store, envoy)
    for number in range(ROUTES):
        world.ask(number, "one")
    runner = PodRunner(store, Surroundings(tmp_path, 1, tmp_path / "kubeconfig"))
    plane = DataPlane(store, runner, cast(Envoy, envoy), "localhost")
    running = asyncio.create_task(plane.run())
    yield world
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    store.close()


async def test_routes_that_wait_are_let_go_when_envoy_has_taken_their_traffic(world: World) -> None:
    await until(lambda: not world.waiting())
    before = len(world.envoy.pushes)
    world.ask(3, "two")
    await until(lambda: not world.waiting())
    assert len(world.envoy.pushes) > before


async def test_what_envoy_has_already_taken_is_not_told_again_however_many_ask(
    world: World,
) -> None:
    await until(lambda: not world.waiting())
    before = len(world.envoy.pushes)
    for number in range(ROUTES):
        world.ask(number, "one")
    await until(lambda: not world.waiting())
    assert len(world.envoy.pushes) == before
