"""One life of a Service, looked at by a rollout: what was promised, held against what is."""

import copy
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from functions.runtime.errors import ApiError
from knative.serving import traffic
from knative.serving.objects import DIGEST
from knative.serving.observation import COMMAND
from knative.serving.table import Phase
from tests.support.knative_api import Killed
from tests.support.rollout_models import RIGHT, publish
from tests.support.rollout_world import World, environment, synced

Hand = list[dict[str, Any]]
_DOWN = {Phase.ROLLING_BACK, Phase.FAILED}


class Life:
    """`hand`: traffic that a person set; `wanted`: the environment that a person wrote last;
    `condemned`: every candidate that was rolled back, with its environment."""

    def __init__(self, cache: Path, policy: dict[str, Any]) -> None:
        """`cache` may be shared: the models are the same in every life."""
        self.world = World(cache, policy)
        self.world.failing_values = {"failing"}
        self.world.api.serving.broken = {"crashing"}
        self.world.api.serving.kept = 3
        self.models = {
            name: publish(self.world, name, found)
            for name, found in {"right": RIGHT, "also right": RIGHT, "worse": []}.items()
        }
        self.world.entities[""] = RIGHT
        self.hand: Hand | None = None
        self.wanted: dict[str, str] = {}
        self.condemned: dict[str, dict[str, str]] = {}
        self.turned: set[str] = set()
        self.changes = 0
        self.rollouts = 0
        self._started = 0.0

    async def look(self, payload: Any = None) -> None:
        """Two seconds pass, callers call, an event comes; a look may be killed or find nobody in."""
        created = self._created()
        self.world.now += 2
        self.world.send(self.world.rate)
        with suppress(Killed, ApiError):
            await self.world.event(payload)
        self.world.api.at_call.clear()
        self.world.api.kill_at = None
        if payload and self._created() != created:
            self.hand = None  # an upload is a change too: what a person set before it has served
        self._note()

    def change(self, level: str) -> None:
        """A person deploys another environment."""
        self.changes += 1
        self.hand = None
        self.wanted = {"LEVEL": level, "AT": str(self.changes)}
        self.world.deploy(**self.wanted)

    async def upload(self, name: str, *, requested: bool) -> None:
        """A model was synced."""
        await self.look(synced(self.models[name], f"1.{self.changes}.0", requested=requested))

    def say(self, verb: str) -> None:
        words = f"{verb} {self.world.state().candidate}"
        self.world.api.apply(
            "ner", lambda service: service["metadata"]["annotations"].update({COMMAND: words})
        )

    def set_traffic(self, percent: int) -> None:
        """A person splits the traffic of a running rollout as no step would."""
        state = self.world.state()
        if not (state.active and state.stable and self.world.api.ready(state.candidate)):
            return
        split = {state.stable: percent, state.candidate: 100 - percent}
        if split == dict(state.weights or {}):
            return
        hand = [{"revisionName": name, "percent": share} for name, share in split.items()]
        self.world.api.apply("ner", lambda service: service["spec"].update(traffic=hand))
        self.hand = copy.deepcopy(hand)

    def between(self, call: int, write: Callable[[], None]) -> None:
        """Somebody writes in the middle of the next look."""
        self.world.api.at_call[self.world.api.calls + call] = write

    def turn(self, role: str) -> None:
        """Pods of stable or of the candidate begin to crash."""
        name = getattr(self.world.state(), role)
        if self.world.api.ready(name):
            self.turned.add(name)
            self.world.api.serving.turn(name, ready=False)

    def heal(self) -> None:
        for name in self.turned & set(self.world.api.kind("revisions")):
            self.world.api.serving.turn(name, ready=True)
        self.turned.clear()

    def check(self) -> None:
        """Hold what is against what was promised."""
        state, service = self.world.state(), self.world.api.service()
        weights = self.world.api.weights()
        assert sum(weights.values()) == 100
        assert all(self.world.api.ready(name) for name in set(weights) - self.turned)
        if self.hand:
            found = traffic.weights(traffic.parse(service["spec"]["traffic"], None))
            assert found == {t["revisionName"]: t["percent"] for t in self.hand}
            return
        assert not self.condemned.keys() & weights.keys()
        serving, refused = {self._digest(name) for name in weights}, set(state.refused)
        assert not state.stable or not serving & (refused - {self._digest(state.stable)})
        now = environment(service["spec"]["template"])
        assert now == self.wanted or self.wanted in self.condemned.values()

    async def finish(self) -> None:
        """However it went on, it ends, and what is left beside the Service is tidy."""
        world = self.world
        world.metrics_down = world.broker_down = world.api.down = False
        world.api.conflict_at.clear()
        world.rate = 400
        self.heal()
        await self.look()
        for _ in range(8):  # gates and pauses are waited at for ever
            await self.left_alone(200)
            if world.state().held:
                self.say("resume")
                await self.look()
        assert not world.state().active
        world.now += 1000
        for _ in range(3):
            await self.look()
        assert not world.state().active
        assert not world.state().outbox
        assert not world.api.kind("pingsources")

    async def left_alone(self, looks: int) -> None:
        """Ticks come until nothing is active."""
        for _ in range(looks):
            if not self.world.state().active or self.world.state().held:
                return
            await self.look()

    def _created(self) -> str:
        name: str = self.world.api.service()["status"]["latestCreatedRevisionName"]
        return name

    def _digest(self, name: str | None) -> str | None:
        revision: Mapping[str, Any] = self.world.api.kind("revisions").get(name or "", {})
        found: str | None = revision.get("metadata", {}).get("annotations", {}).get(DIGEST)
        return found

    def _note(self) -> None:
        """Remember who was rolled back; without a stable Revision there was nothing to go back to."""
        state = self.world.state()
        down = state.candidate and state.stable and state.phase in _DOWN and not self.hand
        if down and state.candidate in self.world.api.kind("revisions"):
            self.condemned[state.candidate] = self.world.environment(state.candidate)
        self.rollouts += state.started != self._started
        self._started = state.started
