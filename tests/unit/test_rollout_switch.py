"""One GPU: the old one stops, the new one starts, and the old one comes back when that fails."""

from pathlib import Path

import pytest

from knative.serving import state as states
from knative.serving.table import Phase
from tests.support.rollout_world import World


async def one_gpu(tmp_path: Path, **policy: object) -> World:
    world = World(tmp_path, {"switch_deadline_seconds": 20, **policy})
    world.api.serving.gpus = 1
    world.deploy(LEVEL="1")
    await world.event()
    assert list(world.api.kind("pods")) == ["ner-00001-pod"]
    return world


def phases(world: World) -> list[str]:
    return list(dict.fromkeys(line[1] for line in world.state().history))


async def test_a_switch_drains_starts_checks_and_promotes_without_a_canary(tmp_path: Path) -> None:
    world = await one_gpu(tmp_path, strategy="switch")
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert world.api.weights() == {"ner-00002": 100}
    assert list(world.api.kind("pods")) == ["ner-00002-pod"]
    assert "Draining" in phases(world)
    assert "Canary" not in phases(world)
    await world.event()
    assert world.state().previous is None
    assert not any(
        "autoscaling.knative.dev/min-scale" in revision["metadata"]["annotations"]
        for revision in world.api.kind("revisions").values()
    )


async def test_a_switch_returns_to_the_old_one_when_the_new_is_not_ready_in_time(
    tmp_path: Path,
) -> None:
    world = await one_gpu(tmp_path, strategy="switch")
    world.api.serving.broken = {"hangs"}
    world.deploy(LEVEL="hangs")
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert "not good 20 s after the switch" in world.state().reason
    assert world.api.weights() == {"ner-00001": 100}
    assert list(world.api.kind("pods")) == ["ner-00001-pod"]
    template = world.api.service()["spec"]["template"]
    assert template["spec"]["containers"][0]["env"][0]["value"] == "1"


@pytest.mark.parametrize(("budget", "phase"), [(1, "Draining"), (2, "Canary"), (0, "Canary")])
async def test_the_budget_chooses_between_surge_and_switch(
    tmp_path: Path, budget: int, phase: str
) -> None:
    world = World(tmp_path, {"gpus": budget})
    world.gpus_each = 1
    world.api.serving.gpus = budget or 9
    world.deploy(LEVEL="1")
    await world.event()
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert {"Draining", "Canary"} & set(phases(world)) == {phase}


def nodes(world: World, gpus: int) -> None:
    node = {"metadata": {"name": "n"}, "status": {"allocatable": {"nvidia.com/gpu": str(gpus)}}}
    tainted = {**node, "metadata": {"name": "away"}, "spec": {"unschedulable": True}}
    world.api.kind("nodes").update({"n": node, "away": tainted})


def holding(world: World, gpus: int) -> None:
    """A Pod of another Service."""
    limits = {"limits": {"nvidia.com/gpu": gpus}}
    labels = {"serving.knative.dev/service": "embedder"}
    pod = {
        "metadata": {"name": "embedder-1", "labels": labels},
        "spec": {"containers": [{"resources": limits}]},
        "status": {"phase": "Running"},
    }
    world.api.kind("pods")["embedder-1"] = pod


@pytest.mark.parametrize(
    ("on_nodes", "others", "phase"), [(1, 0, "Draining"), (2, 0, "Canary"), (2, 1, "Draining")]
)
async def test_the_budget_may_be_what_the_nodes_leave(
    tmp_path: Path, on_nodes: int, others: int, phase: str
) -> None:
    world = World(tmp_path, {"gpus": "nodes"})
    world.gpus_each = 1
    world.api.serving.gpus = on_nodes
    nodes(world, on_nodes)
    if others:
        holding(world, others)
    world.deploy(LEVEL="1")
    await world.event()
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED
    assert {"Draining", "Canary"} & set(phases(world)) == {phase}
    assert world.failed() == {}


async def test_nodes_that_may_not_be_read_are_no_budget(tmp_path: Path) -> None:
    world = World(tmp_path, {"gpus": "nodes", "start_deadline_seconds": 10})
    world.gpus_each = world.api.serving.gpus = 1
    world.api.forbidden = {"nodes"}
    world.deploy(LEVEL="1")
    await world.event()
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert "was not Ready" in world.state().reason
    assert world.api.weights() == {"ner-00001": 100}
    assert world.failed() == {}


async def test_dependents_wait_for_the_rollout_that_comes_first(tmp_path: Path) -> None:
    world = World(tmp_path, {"after": ["index", "nobody"]})
    world.deploy(LEVEL="1")
    await world.event()
    index(world, Phase.CANARY)
    world.deploy(LEVEL="2")
    await world.settle(10)
    assert world.state().phase is Phase.PENDING
    index(world, Phase.FAILED)
    await world.settle()
    assert world.state().phase is Phase.SUCCEEDED


async def test_services_that_wait_for_each_other_do_not_wait_for_ever(tmp_path: Path) -> None:
    world = World(tmp_path, {"after": ["index"], "start_deadline_seconds": 20})
    world.deploy(LEVEL="1")
    await world.event()
    index(world, Phase.PENDING)
    world.deploy(LEVEL="2")
    await world.settle()
    assert world.state().phase is Phase.FAILED
    assert "index had not finished" in world.state().reason


def index(world: World, phase: Phase) -> None:
    """Another Service, whose rollout somebody else steps: it has no policy of ours."""
    text = states.dump(states.State(phase, "t"))
    meta = {
        "name": "index",
        "namespace": "marketresearch",
        "annotations": {states.ANNOTATION: text},
    }
    world.api.kind("services")["index"] = {"metadata": meta}


async def test_a_switch_killed_between_any_two_calls_ends_as_if_it_had_not_been(
    tmp_path: Path,
) -> None:
    async def story(kill: int | None) -> World:
        world = await one_gpu(tmp_path, strategy="switch")
        world.api.calls, world.api.kill_at = 0, (kill, True) if kill else None
        world.deploy(LEVEL="2")
        await world.survive()
        await world.settle()
        assert world.state().phase is Phase.SUCCEEDED
        assert list(world.api.kind("pods")) == ["ner-00002-pod"]
        return world

    calm = await story(None)
    for call in range(1, calm.api.calls + 1):
        await story(call)
