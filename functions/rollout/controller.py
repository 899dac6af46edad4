"""The controller: observe, decide, apply, until nothing is left to do.

It remembers nothing between looks. Every write is conditional on what was read; a conflict means
that somebody wrote first, so it looks again. Killed between any two lines it goes on correctly,
because a transition is one update and everything beside it is repaired on the next look.
"""

import asyncio
import copy
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial

import httpx

from functions.rollout.announce import Announcer
from functions.rollout.probes import Probes
from functions.rollout.reading import Reading
from functions.rollout.single_flight import SingleFlight
from functions.rollout.ticks import Ticks
from functions.runtime.metrics import gauge
from knative.serving import errors, policy, traffic, upkeep
from knative.serving import state as states
from knative.serving.client import PODS, REVISIONS, SERVICES, KubeClient
from knative.serving.objects import Object, template_of
from knative.serving.observation import (
    COMMAND,
    Action,
    ClearCommand,
    Decision,
    RestoreTemplate,
    SetTraffic,
)
from knative.serving.rollout import decide
from knative.serving.state import State
from knative.serving.table import Phase

_LOG = logging.getLogger(__name__)
_MOVES = 32
_TRIES = 4
_REVISION = "serving.knative.dev/revision"
_PHASE = gauge(
    "rollout_phase", "1 for the phase that a Service's rollout is in", ("target", "phase")
)


@dataclass(frozen=True, slots=True)
class Tools:
    """What the controller works with; `clock` gives seconds since the epoch."""

    kube: KubeClient
    probes: Probes
    announcer: Announcer
    ticks: Ticks
    clock: Callable[[], float]


class Controller:
    """Steps the rollouts of all Services that carry a policy."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._flights: dict[str, SingleFlight] = {}

    async def look(self, *, patient: bool = True) -> None:
        """Step every Service; an impatient look passes over those that are being stepped."""
        await asyncio.gather(
            *(
                self._flight(name).run()
                for name in await self._pulse()
                if patient or not self._flight(name).busy
            )
        )
        await self._pulse()

    def _flight(self, name: str) -> SingleFlight:
        return self._flights.setdefault(name, SingleFlight(partial(self.step, name)))

    async def step(self, name: str) -> None:
        """Move one Service as far as it goes now."""
        announced = False
        for _ in range(_MOVES):
            try:
                reading = await Reading.of(self._tools.kube, name)
                if not announced and reading.state and reading.state.outbox:
                    announced = True
                    await self._announce(reading, reading.state)
                elif not await self._move(reading):
                    return
                else:
                    announced = False
            except errors.Conflict as conflict:
                _LOG.info("%s: looking again, %s", name, conflict)
            except errors.NotFound:
                return

    async def _move(self, reading: Reading) -> bool:
        """Take one transition; False when there is none to take."""
        if reading.problem:
            await self._tools.announcer.record(
                reading.service, "Warning", "PolicyInvalid", reading.problem
            )
        if reading.policy is None:
            return False
        await self._uphold(reading)
        facts = await self._tools.probes.measure(reading.seen, reading.state, reading.policy)
        seen = replace(reading.seen, facts=facts)
        decision = decide(seen, reading.state, reading.policy, self._tools.clock())
        if decision.changed:
            await self._apply(reading, decision)
        return decision.changed

    async def _uphold(self, reading: Reading) -> None:
        wanted = upkeep.holds(reading.state)
        found = upkeep.patches(reading.seen.revisions.values(), wanted)
        for name, annotations in found.items():
            version = reading.revisions[name]["metadata"]["resourceVersion"]
            meta = {"resourceVersion": version, "annotations": dict(annotations)}
            await self._tools.kube.patch(REVISIONS, name, {"metadata": meta})

        crowding = upkeep.evicted(reading.state)
        if crowding:
            for pod in await self._tools.kube.list(PODS, {_REVISION: crowding}):
                if not pod["metadata"].get("deletionTimestamp"):
                    await self._tools.kube.delete(PODS, pod["metadata"]["name"])

    async def _apply(self, reading: Reading, decision: Decision) -> None:
        after = copy.deepcopy(reading.service)
        for action in decision.actions:
            _put(after, action, reading.revisions)
        if decision.state:
            after["metadata"]["annotations"][states.ANNOTATION] = states.dump(decision.state)
            _show(reading, decision.state)
        await self._write(reading.service, after)

    async def _write(self, before: Object, after: Object) -> None:
        """Update conditionally; what only Knative's status moved on is no reason to look again."""
        for _ in range(_TRIES):
            try:
                await self._tools.kube.update(SERVICES, after)
            except errors.Conflict:
                now = await self._tools.kube.get(SERVICES, after["metadata"]["name"])
                if not _same_wish(before, now):
                    raise
                after["metadata"]["resourceVersion"] = now["metadata"]["resourceVersion"]
            else:
                return
        raise errors.Conflict(409, "Conflict", "others write faster than we do")

    async def _announce(self, reading: Reading, state: State) -> None:
        """Deliver the outbox, then empty it; a Broker that is down does not stop the rollout."""
        try:
            for kind, payload, trace in state.outbox:
                await self._tools.announcer.announce(reading.service, kind, payload, trace)
        except (httpx.HTTPError, errors.KubeError) as error:
            _LOG.warning("%s: events wait, %r", reading.seen.service.name, error)
            return
        after = copy.deepcopy(reading.service)
        emptied = states.dump(replace(state, outbox=()))
        after["metadata"]["annotations"][states.ANNOTATION] = emptied
        await self._write(reading.service, after)

    async def _pulse(self) -> list[str]:
        """Have ticks for as long as the states ask for them; return the Services with a policy."""
        services = [one for one in await self._tools.kube.list(SERVICES) if _governed(one)]
        await self._tools.ticks.ensure(upkeep.pulse(states.of(service) for service in services))
        return [service["metadata"]["name"] for service in services]


def _governed(service: Object) -> bool:
    return policy.ANNOTATION in (service["metadata"].get("annotations") or {})


def _same_wish(before: Object, now: Object) -> bool:
    """Whether nobody asked for anything else meanwhile: golden sets are dear to measure again."""
    annotations = [item["metadata"].get("annotations") for item in (before, now)]
    return bool(before["spec"] == now["spec"] and annotations[0] == annotations[1])


def _put(service: Object, action: Action, revisions: Mapping[str, Object]) -> None:
    match action:
        case SetTraffic(targets):
            service["spec"]["traffic"] = traffic.render(targets)
        case RestoreTemplate(revision):
            service["spec"]["template"] = template_of(revisions[revision])
        case ClearCommand():
            service["metadata"]["annotations"].pop(COMMAND, None)


def _show(reading: Reading, state: State) -> None:
    name = reading.seen.service.name
    _LOG.info("%s: %s, %s", name, state.phase.value, state.reason)
    for phase in Phase:
        _PHASE.labels(target=name, phase=phase.value).set(float(phase is state.phase))
