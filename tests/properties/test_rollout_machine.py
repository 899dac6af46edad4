"""Thousands of rollouts in random lives: whatever happens in whatever order, the promises are kept.

The in-memory API itself refuses a write that does not sum to 100, that names latestRevision, or that
gives more to a Revision that is not Ready; the machine adds kills, hands, faults and clocks.
"""

import asyncio
import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests.support.rollout_life import Life

POLICY = {
    "step_interval_seconds": 2,
    "max_inconclusive_seconds": 20,
    "start_deadline_seconds": 60,
}
LEVELS = st.sampled_from(["good", "good", "failing", "crashing"])
MODELS = st.sampled_from(["right", "also right", "worse"])
CALLS = st.integers(1, 30)
THOUSANDS = 2000


class Lives(RuleBasedStateMachine):
    """A Service, its callers and its operators."""

    cache: ClassVar[Path]
    rollouts: ClassVar[int] = 0

    @initialize(
        on_new=st.sampled_from(["supersede", "queue"]),
        steps=st.sampled_from([[10, 50, 100], [50, 100], [100]]),
        gated=st.booleans(),
    )
    def deploy(self, on_new: str, steps: list[int], gated: bool) -> None:  # noqa: FBT001 - drawn
        self.loop = asyncio.Runner()
        gates = steps[:-1][-1:] if gated else []
        policy = {**POLICY, "on_new": on_new, "steps": steps, "gates": gates}
        self.life = Life(self.cache, policy)
        self.life.change("good")
        self.run(self.life.look())

    def run(self, work: Awaitable[None]) -> None:
        self.loop.run(work)

    @rule(level=LEVELS)
    def change(self, level: str) -> None:
        self.life.change(level)
        self.run(self.life.look())

    @rule(levels=st.lists(LEVELS, min_size=1, max_size=5))
    def changes_that_are_left_alone(self, levels: list[str]) -> None:
        for level in levels:
            self.life.change(level)
            self.run(self.life.look())
            self.run(self.life.left_alone(40))
            self.life.check()

    @rule(name=MODELS, requested=st.booleans())
    def upload(self, name: str, requested: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        self.run(self.life.upload(name, requested=requested))

    @precondition(lambda self: self.life.world.state().active)
    @rule(looks=st.integers(1, 3))
    def look(self, looks: int) -> None:
        for _ in range(looks):
            self.run(self.life.look())

    @rule(call=CALLS, after=st.booleans())
    def killed(self, call: int, after: bool) -> None:  # noqa: FBT001 - as above
        self.life.world.api.kill_at = (self.life.world.api.calls + call, after)
        self.run(self.life.look())

    @rule(seconds=st.integers(-600, 600))
    def the_clock_jumps(self, seconds: int) -> None:
        self.life.world.now += seconds

    @rule(rate=st.sampled_from([0, 3, 400, 400]))
    def callers_come_and_go(self, rate: int) -> None:
        self.life.world.rate = rate

    @rule(down=st.booleans())
    def the_source_of_samples_fails(self, down: bool) -> None:  # noqa: FBT001 - as above
        self.life.world.metrics_down = down

    @rule(down=st.booleans())
    def the_broker_fails(self, down: bool) -> None:  # noqa: FBT001 - as above
        self.life.world.broker_down = down

    @rule()
    def the_api_server_is_gone_for_a_look(self) -> None:
        self.life.world.api.down = True
        self.run(self.life.look())
        self.life.world.api.down = False

    @rule(call=CALLS, writes=st.integers(1, 40))
    def others_write_faster(self, call: int, writes: int) -> None:
        first = self.life.world.api.calls + call
        self.life.world.api.conflict_at = set(range(first, first + writes))
        self.run(self.life.look())

    @rule(role=st.sampled_from(["stable", "candidate"]))
    def pods_begin_to_crash(self, role: str) -> None:
        self.life.turn(role)

    @rule()
    def pods_recover(self) -> None:
        self.life.heal()

    @precondition(lambda self: self.life.world.state().candidate)
    @rule(verb=st.sampled_from(["promote", "abort", "pause", "resume"]))
    def a_person_commands(self, verb: str) -> None:
        self.life.say(verb)
        self.run(self.life.look())

    @precondition(lambda self: self.life.world.state().active)
    @rule(percent=st.integers(1, 99))
    def a_person_sets_traffic(self, percent: int) -> None:
        self.life.set_traffic(percent)
        self.run(self.life.look())

    @rule(call=CALLS, percent=st.integers(1, 99))
    def a_person_sets_traffic_in_the_middle_of_a_look(self, call: int, percent: int) -> None:
        self.life.between(call, lambda: self.life.set_traffic(percent))
        self.run(self.life.look())

    @rule(call=CALLS, level=LEVELS)
    def a_person_deploys_in_the_middle_of_a_look(self, call: int, level: str) -> None:
        self.life.between(call, lambda: self.life.change(level))
        self.run(self.life.look())

    @invariant()
    def promises_are_kept(self) -> None:
        self.life.check()

    def teardown(self) -> None:
        try:
            self.run(self.life.finish())
            self.life.check()
        finally:
            type(self).rollouts += self.life.rollouts
            self.loop.close()


def test_thousands_of_random_rollouts_keep_every_promise(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL, "functions.rollout")  # a line a step would be megabytes
    Lives.cache, Lives.rollouts = tmp_path, 0
    some = settings(max_examples=100, stateful_step_count=40, deadline=None)
    while Lives.rollouts < THOUSANDS:
        run_state_machine_as_test(Lives, settings=some)
    print(f"{Lives.rollouts} rollouts")  # noqa: T201 - for `pytest -rP`
