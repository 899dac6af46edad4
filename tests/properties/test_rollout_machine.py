"""Random lives of a Service: whatever happens in whatever order, the rollout keeps its promises.

The fake API itself refuses a write that does not sum to 100, that names latestRevision, or that
gives traffic to a Revision that is not Ready; the machine adds kills, hands, faults and clocks.
"""

import asyncio
import copy
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from knative.serving.observation import COMMAND
from tests.support.knative_api import Killed
from tests.support.rollout_world import World

POLICY = {"steps": [10, 50, 100], "step_interval_seconds": 2, "max_inconclusive_seconds": 20}


class Lives(RuleBasedStateMachine):
    """A Service, its callers and its operators."""

    @initialize(
        on_new=st.sampled_from(["supersede", "queue"]), gates=st.sampled_from([[], [10], [50]])
    )
    def deploy(self, on_new: str, gates: list[int]) -> None:
        self.loop = asyncio.Runner()
        self.folder = tempfile.TemporaryDirectory()
        policy = {**POLICY, "on_new": on_new, "gates": gates, "start_deadline_seconds": 60}
        self.world = World(Path(self.folder.name), policy)
        self.world.failing_values = {"failing"}
        self.world.api.broken = {"crashing"}
        self.hand: list[dict[str, object]] | None = None
        self.world.deploy(LEVEL="0")
        self.look(1)

    @rule(level=st.sampled_from(["1", "2", "failing", "crashing"]))
    def change(self, level: str) -> None:
        self.hand = None
        self.world.deploy(LEVEL=level, AT=str(self.world.now))

    @rule(looks=st.integers(1, 6))
    def look(self, looks: int) -> None:
        for _ in range(looks):
            self.world.now += 2
            self.world.send(self.world.rate)
            self.loop.run(self.world.event())

    @rule(call=st.integers(1, 30), after=st.booleans())
    def killed(self, call: int, after: bool) -> None:  # noqa: FBT001 - drawn by hypothesis
        self.world.now += 2
        self.world.api.kill_at = (self.world.api.calls + call, after)
        try:
            self.loop.run(self.world.event())
        except Killed:
            pass
        finally:
            self.world.api.kill_at = None

    @rule(seconds=st.integers(-600, 600))
    def the_clock_jumps(self, seconds: int) -> None:
        self.world.now += seconds

    @rule(rate=st.sampled_from([0, 3, 400]))
    def callers_come_and_go(self, rate: int) -> None:
        self.world.rate = rate

    @rule(down=st.booleans())
    def the_source_of_samples_fails(self, down: bool) -> None:  # noqa: FBT001 - as above
        self.world.metrics_down = down

    @rule(verb=st.sampled_from(["promote", "abort", "pause", "resume"]))
    def a_person_commands(self, verb: str) -> None:
        self.say(verb)

    def say(self, verb: str) -> None:
        words = f"{verb} {self.world.state().candidate}"
        self.world.api.apply(
            "ner", lambda service: service["metadata"]["annotations"].update({COMMAND: words})
        )

    @rule(percent=st.integers(1, 99))
    @precondition(lambda self: self.world.state().active and self.world.state().candidate)
    def a_person_sets_traffic(self, percent: int) -> None:
        state = self.world.state()
        if not state.stable or not self.world.api.ready(state.candidate):
            return
        hand = [
            {"revisionName": state.stable, "percent": percent},
            {"revisionName": state.candidate, "percent": 100 - percent},
        ]
        if {state.stable: percent, state.candidate: 100 - percent} == dict(state.weights or {}):
            return
        self.world.api.apply("ner", lambda service: service["spec"].update(traffic=hand))
        self.hand = copy.deepcopy(hand)

    @invariant()
    def only_ready_revisions_serve(self) -> None:
        weights = self.world.api.weights()
        assert sum(weights.values()) == 100
        assert all(self.world.api.ready(name) for name in weights)

    @invariant()
    def a_persons_traffic_is_never_lost(self) -> None:
        if self.hand:
            assert self.world.api.service()["spec"]["traffic"] == self.hand

    def teardown(self) -> None:
        """However it went on, it ends, and what is left beside the Service is tidy."""
        try:
            self.finish()
        finally:
            self.loop.close()
            self.folder.cleanup()

    def finish(self) -> None:
        self.world.metrics_down, self.world.rate = False, 400
        for _ in range(8):  # gates and pauses are waited at for ever
            self.loop.run(self.world.settle(40))
            if self.world.state().held:
                self.say("resume")
        self.loop.run(self.world.settle())
        state = self.world.state()
        assert not state.active
        self.world.now += 100
        for _ in range(3):
            self.loop.run(self.world.event())
        if not self.world.state().active:
            assert not self.world.api.kind("pingsources")


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
