"""Rollouts that a person stops at a gate, pauses, promotes, rolls back or overrules."""

import pytest

from knative.serving.observation import COMMAND
from knative.serving.table import Phase
from tests.support.rollout_world import World, canary, running, say, tick


async def test_traffic_set_by_hand_wins_and_the_next_change_starts_clean(world: World) -> None:
    await running(world)
    world.deploy(LEVEL="2")
    for _ in range(4):
        world.now += 2
        world.send(world.rate)
        await world.event()
    assert world.state().phase is Phase.CANARY
    hand = [
        {"revisionName": "ner-00001", "percent": 40},
        {"revisionName": "ner-00002", "percent": 60},
    ]
    world.api.apply("ner", lambda service: service["spec"].update(traffic=hand))
    await world.settle()
    assert world.state().phase is Phase.SUPERSEDED
    assert world.api.service()["spec"]["traffic"] == hand
    world.deploy(LEVEL="3")
    world.api.apply("ner", lambda service: service["spec"].update(traffic=hand))
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert world.state().previous == "ner-00002"
    assert world.api.weights() == {"ner-00003": 100}


@pytest.mark.parametrize(("verb", "phase"), [("promote", "Succeeded"), ("abort", "Failed")])
async def test_a_persons_command_is_obeyed_once(world: World, verb: str, phase: str) -> None:
    await running(world)
    world.rate = 0
    world.deploy(LEVEL="2")
    await world.event()
    words = f"{verb} ner-00002"
    world.api.apply(
        "ner", lambda service: service["metadata"]["annotations"].update({COMMAND: words})
    )
    await world.event()
    assert world.state().phase.value == phase
    assert COMMAND not in world.api.service()["metadata"]["annotations"]


async def test_a_promotion_can_be_rolled_back_while_the_old_revision_is_warm(world: World) -> None:
    await running(world)
    world.deploy(LEVEL="2")
    await world.settle()
    words = "abort ner-00002"
    world.api.apply(
        "ner", lambda service: service["metadata"]["annotations"].update({COMMAND: words})
    )
    await world.event()
    assert world.state().phase is Phase.FAILED
    assert world.api.weights() == {"ner-00001": 100}


async def test_at_a_gate_a_rollout_waits_for_a_person_however_long(world: World) -> None:
    await canary(world, {"gates": [25], "max_inconclusive_seconds": 5})
    await tick(world, 30)
    assert (world.state().held, world.state().weight()) == ("gate", 25)
    world.metrics_down = True
    await tick(world, 30)
    assert world.state().held == "gate"
    world.metrics_down = False
    say(world, "resume")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED


async def test_rollback_stays_armed_at_a_gate(world: World) -> None:
    await canary(world, {"gates": [5]})
    await tick(world, 10)
    assert world.state().held == "gate"
    world.failing_values = {"2"}
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert world.api.weights() == {"ner-00001": 100}


async def test_a_paused_rollout_stays_where_it_is_until_it_is_resumed(world: World) -> None:
    await canary(world)
    say(world, "pause")
    await tick(world, 40)
    assert (world.state().held, world.state().weight()) == ("pause", 5)
    say(world, "resume")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED


@pytest.mark.parametrize(("verb", "phase"), [("promote", "Succeeded"), ("abort", "Failed")])
async def test_a_person_may_end_a_pause_by_promoting_or_rolling_back(
    world: World, verb: str, phase: str
) -> None:
    await canary(world)
    say(world, "pause")
    await tick(world)
    say(world, verb)
    await world.settle()
    assert world.state().phase.value == phase
    assert world.state().held == ""


async def test_a_candidate_that_gets_slow_after_its_promotion_can_be_rolled_back(
    world: World,
) -> None:
    await canary(world)
    say(world, "promote")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    say(world, "abort")
    await world.event()
    assert world.api.weights() == {"ner-00001": 100}
