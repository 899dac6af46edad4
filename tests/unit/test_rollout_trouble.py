"""Rollouts through what fails around them: the API server, the Broker, the metrics, the ticks."""

from pathlib import Path

import pytest

from functions.runtime.errors import NotFound, Unavailable
from knative.serving.table import Phase
from tests.support.rollout_world import World, canary, running, synced, tick


async def test_no_samples_are_inconclusive_and_end_in_a_rollback(world: World) -> None:
    await running(world)
    world.metrics_down = True
    world.deploy(LEVEL="2")
    await world.settle(400)
    assert world.state().phase is Phase.FAILED
    assert "no samples" in world.state().reason


async def test_events_wait_for_a_broker_that_is_down(world: World) -> None:
    await running(world)
    world.broker_down = True
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert not world.events
    world.broker_down = False
    await world.event()
    assert world.types()[-1] == "promoted"


async def test_a_policy_that_makes_no_sense_is_said_and_nothing_is_done(tmp_path: Path) -> None:
    world = World(tmp_path, {"steps": [50, 5]})
    world.deploy(LEVEL="1")
    await world.event()
    await world.event()
    (event,) = world.api.kind("events").values()
    assert event["reason"] == "PolicyInvalid"
    assert event["message"].startswith("steps: ")
    assert world.api.traffic_writes == []


async def test_a_model_for_a_service_that_is_not_there_is_not_swallowed(world: World) -> None:
    with pytest.raises(NotFound):
        await world.event(synced("sha256:" + "a" * 64, "1.0.0"))


async def test_an_api_server_that_is_gone_for_a_minute_asks_for_redelivery(world: World) -> None:
    await canary(world)
    world.api.down = True
    world.now += 60
    with pytest.raises(Unavailable):
        await world.event()
    world.api.down = False
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED


async def test_conflicts_on_every_write_for_a_while_only_delay(world: World) -> None:
    await canary(world)
    world.api.conflict_at = set(range(world.api.calls, world.api.calls + 5000))
    await tick(world)
    assert world.state().weight() == 5
    world.api.conflict_at = set()
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED


async def test_ticks_that_come_twice_or_late_change_nothing(world: World) -> None:
    await canary(world)
    world.now += 300
    world.send(world.rate)
    for _ in range(3):
        await world.event()
    assert world.state().weight() == 25  # one look's evidence is one step
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
