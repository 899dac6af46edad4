"""The function may be killed between any two calls of the API, so at every transition: the end is
the same, and so is what callers saw.
"""

import itertools
from pathlib import Path

import pytest

from knative.serving.table import Phase
from tests.support.rollout_world import World


async def story(tmp_path: Path, kill: tuple[int, bool] | None, conflict: int, level: str) -> World:
    world = World(tmp_path, {"steps": [10, 100], "step_interval_seconds": 2})
    world.deploy(LEVEL="1")
    await world.event()
    world.failing_values = {"bad"}
    world.api.calls = 0
    world.api.kill_at = kill
    world.api.conflict_at = {conflict}
    world.deploy(LEVEL=level)
    await world.survive()
    await world.settle(40)
    for _ in range(3):
        await world.survive()
    return world


def check(world: World, level: str) -> None:
    state = world.state()
    serving = "ner-00001" if level == "bad" else "ner-00002"
    assert state.phase is (Phase.FAILED if level == "bad" else Phase.SUCCEEDED)
    assert world.api.weights() == {serving: 100}
    assert set(world.failed()) == ({"ner-00002"} if level == "bad" else set())
    assert world.failed().get("ner-00002", 0) <= 2 * world.rate // 10 // 2  # of two looks at most
    assert world.types()[-1] == ("rolledback" if level == "bad" else "promoted")
    assert not state.outbox
    held = {
        name
        for name, revision in world.api.kind("revisions").items()
        if "autoscaling.knative.dev/min-scale" in revision["metadata"]["annotations"]
    }
    assert held == (set() if level == "bad" else {"ner-00001"})
    assert bool(world.api.kind("pingsources")) == (level != "bad")


@pytest.mark.parametrize("level", ["good", "bad"])
async def test_killed_between_any_two_calls_it_ends_as_if_it_had_not_been(
    tmp_path: Path, level: str
) -> None:
    calm = await story(tmp_path, None, 0, level)
    check(calm, level)
    for call, after in itertools.product(range(1, calm.api.calls + 1), (False, True)):
        check(await story(tmp_path, (call, after), 0, level), level)


@pytest.mark.parametrize("level", ["good", "bad"])
async def test_a_conflict_at_any_write_changes_nothing_of_the_end(
    tmp_path: Path, level: str
) -> None:
    calm = await story(tmp_path, None, 0, level)
    for call in range(1, calm.api.calls + 1):
        check(await story(tmp_path, None, call, level), level)
