"""Whole rollouts against an in-memory Knative, by the function's own event handler."""

from pathlib import Path

import pytest

from knative.serving.table import Phase
from tests.support.rollout_models import RIGHT, publish
from tests.support.rollout_world import World, running, synced


async def test_an_unpinned_service_with_a_policy_is_adopted(world: World) -> None:
    await running(world)
    assert world.api.service()["spec"]["traffic"] == [
        {"revisionName": "ner-00001", "latestRevision": False, "percent": 100}
    ]
    assert "rollout-tick" not in world.api.kind("pingsources")


async def test_a_changed_environment_goes_through_the_canary_and_is_promoted(world: World) -> None:
    await running(world)
    world.deploy(LEVEL="2")
    await world.event()
    assert "rollout-tick" in world.api.kind("pingsources")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert world.api.weights() == {"ner-00002": 100}
    weights = [line[2] for line in world.state().history]
    assert [weight for weight in dict.fromkeys(weights) if weight] == [5, 25, 50, 100]
    assert world.types()[0] == "started"
    assert world.types()[-1] == "promoted"


async def test_after_promotion_the_old_revision_stays_warm_for_its_window(world: World) -> None:
    await running(world)
    world.deploy(LEVEL="2")
    await world.settle()
    await world.event()
    old = world.api.revision("ner-00001")["metadata"]["annotations"]
    assert old["autoscaling.knative.dev/min-scale"] == "1"
    assert {"ner-00001"} == {
        t["revisionName"]
        for t in world.api.service()["spec"]["traffic"]
        if t.get("tag") == "previous"
    }
    assert world.api.kind("pingsources")["rollout-tick"]["spec"]["schedule"].startswith("*/20")
    world.now += 31
    await world.event()
    old = world.api.revision("ner-00001")["metadata"]["annotations"]
    assert "autoscaling.knative.dev/min-scale" not in old
    assert len(world.api.service()["spec"]["traffic"]) == 1
    assert not world.api.kind("pingsources")


async def test_a_candidate_that_fails_requests_is_rolled_back_with_its_template(
    world: World,
) -> None:
    await running(world)
    world.failing_values = {"bad"}
    world.deploy(LEVEL="bad")
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert world.api.weights() == {"ner-00001": 100}
    container = world.api.service()["spec"]["template"]["spec"]["containers"][0]
    assert container["env"][0]["value"] == "1"
    assert world.types()[-1] == "rolledback"
    before = world.api.service()["metadata"]["resourceVersion"]
    await world.event()
    assert world.api.service()["metadata"]["resourceVersion"] == before


async def test_a_candidate_that_cannot_start_never_gets_traffic(world: World) -> None:
    await running(world)
    world.api.serving.broken = {"crash"}
    world.deploy(LEVEL="crash")
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert world.state().history[-1][2] == 0
    assert "not Ready" in world.state().reason


async def test_the_first_model_of_a_service_goes_straight_to_everything(world: World) -> None:
    world.api.serving.broken = {"none"}
    world.deploy(MODE="none")
    await world.event()
    world.api.serving.broken = set()
    await world.survive(synced(publish(world, "one", RIGHT), "1.0.0"))
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert world.api.weights() == {"ner-00002": 100}


async def test_a_worse_model_is_refused_at_the_golden_set_and_stays_refused(world: World) -> None:
    world.deploy(MODE="x")
    await world.event()
    await world.event(synced(publish(world, "good", RIGHT), "1.0.0"))
    await world.settle()
    bad = publish(world, "bad", [])
    await world.event(synced(bad, "1.1.0"))
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert world.state().refused == (bad,)
    assert "golden F1" in world.state().reason
    assert all(w.get("ner-00003", 0) == 0 for w in [world.api.weights()])
    made = len(world.api.kind("revisions"))
    await world.event(synced(bad, "1.1.0"))
    assert len(world.api.kind("revisions")) == made
    await world.event(synced(bad, "1.1.0", requested=True))
    await world.settle()
    assert world.state().refused == (bad,)
    assert len(world.api.kind("revisions")) == made + 2  # tried again, and the template back again


@pytest.mark.parametrize(
    ("on_new", "between"), [("supersede", "superseded"), ("queue", "promoted")]
)
async def test_a_newer_template_supersedes_or_queues_by_policy(
    tmp_path: Path, on_new: str, between: str
) -> None:
    world = await running(World(tmp_path, {"on_new": on_new}))
    world.deploy(LEVEL="2")
    await world.event()
    world.deploy(LEVEL="3")
    await world.settle()
    await world.settle()
    assert world.api.weights() == {"ner-00003": 100}
    assert between in world.types()[:-1]


async def test_without_any_traffic_the_checks_before_the_canary_decide(world: World) -> None:
    await running(world)
    world.rate = 0
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED


async def test_one_trace_leads_from_the_upload_to_the_promotion(world: World) -> None:
    await running(world)
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    await world.event(synced(publish(world, "good", RIGHT), "1.0.0"), trace)
    world.entities[""] = RIGHT
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert {event.extensions.get("traceparent") for event in world.events.values()} == {trace}


async def test_a_quiet_service_may_choose_to_go_on(tmp_path: Path) -> None:
    choice = {"on_inconclusive": "promote", "max_inconclusive_seconds": 10, "min_samples": 1000}
    world = await running(World(tmp_path, choice))
    world.rate = 20
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert "Inconclusive for too long" in world.state().reason
