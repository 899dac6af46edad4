"""Rollouts through what fails around them: the API server, the Broker, the metrics, ticks, the clock.

Each test says how it ends, and what callers saw meanwhile.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from functions.runtime.errors import NotFound, Unavailable
from knative.serving.table import Phase
from tests.support.rollout_models import RIGHT, publish
from tests.support.rollout_world import World, canary, running, say, synced, tick


async def test_no_samples_are_inconclusive_and_end_in_a_rollback(world: World) -> None:
    await running(world)
    world.metrics_down = True
    world.deploy(LEVEL="2")
    await world.settle(400)
    assert world.state().phase is Phase.FAILED
    assert "no samples" in world.state().reason


COUNT = 'revision_app_request_count{{namespace_name="marketresearch",revision_name="ner-00002"}} {}'
DURATION = (
    'kn_serving_invocation_duration_seconds_count{{k8s_namespace_name="marketresearch",'
    'kn_revision_name="ner-00002",http_response_status_code="200"}} {}'
)


@pytest.mark.parametrize(
    "page",
    [
        "# nothing yet",
        "<html>502</html>",
        COUNT.format("NaN"),
        COUNT.format("+Inf"),
        COUNT.format("-1"),
        COUNT.format("9000 1000000"),  # a thousand seconds after 1970
        DURATION.format("NaN"),
        DURATION.format("9000 1000000"),
    ],
)
async def test_empty_broken_or_old_samples_are_inconclusive_in_both_generations(
    world: World, page: str
) -> None:
    await canary(world)
    world.page = page
    await tick(world, 20)
    assert (world.state().phase, world.state().weight()) == (Phase.CANARY, 5)
    world.page = ""
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert world.failed() == {}


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


async def test_a_model_that_names_no_service_is_acknowledged(world: World) -> None:
    before = len(world.api.traffic_writes)
    await world.event(replace(synced("sha256:" + "a" * 64, "1.0.0"), service=""))
    assert len(world.api.traffic_writes) == before
    assert not world.api.kind("services")


async def gone_for_a_minute(world: World) -> None:
    world.api.down = True
    for _ in range(30):
        world.now += 2
        world.send(world.rate)
        with pytest.raises(Unavailable):  # so that the event is delivered again
            await world.event()
    world.api.down = False


async def conflicts_on_every_write(world: World) -> None:
    world.api.conflict_at = set(range(world.api.calls, world.api.calls + 5000))
    before = world.state()
    await tick(world, 3)
    assert world.state() == before
    world.api.conflict_at = set()


async def ticks_are_lost(world: World) -> None:
    world.now += 60
    world.send(30 * world.rate)


async def ticks_come_twice_and_late(world: World) -> None:
    world.now += 300
    world.send(world.rate)
    for _ in range(3):
        await world.event()
    assert world.state().weight() <= 25  # one look's evidence is one step


async def the_clock_jumps_ahead(world: World) -> None:
    world.now += 600
    await tick(world)
    world.now += 600


async def the_clock_jumps_back(world: World) -> None:
    world.now -= 600
    await tick(world)
    world.now -= 600


async def the_broker_is_down(world: World) -> None:
    world.broker_down = True
    await tick(world, 3)
    world.broker_down = False


FAULTS = [
    gone_for_a_minute,
    conflicts_on_every_write,
    ticks_are_lost,
    ticks_come_twice_and_late,
    the_clock_jumps_ahead,
    the_clock_jumps_back,
    the_broker_is_down,
]


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_good_candidate_is_promoted_through_it_and_callers_notice_nothing(
    world: World, fault: Callable[[World], Awaitable[None]]
) -> None:
    await canary(world)
    await fault(world)
    await world.settle(600)
    assert world.state().phase is Phase.SUCCEEDED
    assert world.api.weights() == {"ner-00002": 100}
    assert world.failed() == {}


@pytest.mark.parametrize("fault", FAULTS)
async def test_a_bad_candidate_is_rolled_back_through_it_and_only_its_own_answers_fail(
    world: World, fault: Callable[[World], Awaitable[None]]
) -> None:
    await canary(world, {"steps": [5, 100]})
    world.failing_values = {"2"}
    await fault(world)
    await world.settle(600)
    assert world.state().phase is Phase.FAILED
    assert world.api.weights() == {"ner-00001": 100}
    assert set(world.failed()) <= {"ner-00002"}
    seen = world.failed()
    world.send(world.rate)
    assert world.failed() == seen


@pytest.mark.parametrize("how", ["broken", "hanging"])
async def test_a_candidate_that_crashes_or_hangs_is_met_by_no_caller(
    tmp_path: Path, how: str
) -> None:
    world = await running(World(tmp_path, {"start_deadline_seconds": 30}))
    setattr(world.api.serving, how, {"2"})
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert {name for name, _ in world.counts} == {"ner-00001"}
    assert world.failed() == {}


async def test_a_candidate_that_begins_to_crash_in_the_canary_is_rolled_back_at_the_next_look(
    world: World,
) -> None:
    await canary(world)
    world.api.serving.turn("ner-00002", ready=False)
    await tick(world)
    assert world.state().phase is Phase.FAILED
    assert world.failed() == {"ner-00002": world.rate * 5 // 100}  # one look's share


async def test_a_candidate_that_turns_bad_after_its_promotion_is_rolled_back_by_one_write(
    world: World,
) -> None:
    await canary(world)
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    world.failing_values = {"2"}
    await tick(world)
    say(world, "abort")
    writes, replicas = len(world.api.traffic_writes), world.api.revision("ner-00001")["status"]
    assert replicas["actualReplicas"] > 0  # nobody waits for a cold start
    await world.event()
    assert len(world.api.traffic_writes) == writes + 1
    assert world.api.weights() == {"ner-00001": 100}
    assert world.failed() == {"ner-00002": world.rate // 2}
    await tick(world)
    assert world.failed() == {"ner-00002": world.rate // 2}


@pytest.mark.parametrize(("document", "why"), [("", "measures nothing"), ("{}", "line 1 is not")])
async def test_a_golden_set_that_is_none_is_refused_at_once(
    world: World, document: str, why: str
) -> None:
    await running(world)
    digest = publish(world, "spoilt", RIGHT)
    (entry,) = (world.cache / "entries").glob(digest.removeprefix("sha256:"))
    (entry / "golden.jsonl").write_text(document)
    await world.event(synced(digest, "1.1.0"))
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert why in world.state().reason
    assert digest in world.state().refused
