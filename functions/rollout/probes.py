"""Probes: the facts that a phase needs, measured from outside, as a caller would see them.

A fact that cannot be had is left out with a note: the decision then waits, and its patience ends.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence

import httpx

from functions.registry.cache import ModelCache, Release
from functions.registry.errors import Refused, RegistryError
from functions.registry.golden import Example
from functions.rollout import gate, golden, shadow
from functions.rollout.settings import Settings
from functions.rollout.sources import SourceUnavailable, Wanted, choose
from functions.rollout.warm import ENTITIES, warm
from knative.serving import traffic
from knative.serving.effects import address
from knative.serving.observation import Facts, GoldenResult, Observation
from knative.serving.policy import Policy
from knative.serving.state import State
from knative.serving.table import Phase

_LOG = logging.getLogger(__name__)
_ROUNDS = 3


Both = tuple[golden.Answers, golden.Answers | None]


class Probes:
    """Measures warmth, the golden set and samples of one Service's Revisions."""

    def __init__(
        self, http: httpx.AsyncClient, settings: Settings, clock: Callable[[], float] = time.time
    ) -> None:
        self._http = http
        self._settings = settings
        self._cache = ModelCache(settings.model_cache)
        self._source = choose(http, settings, clock)
        self._measures: Mapping[Phase, Callable[[Observation, State, Policy], Awaitable[Facts]]] = {
            Phase.WARMING: self._warming,
            Phase.EVALUATING: self._evaluating,
            Phase.CANARY: self._canary,
        }

    async def measure(self, seen: Observation, state: State | None, policy: Policy) -> Facts:
        """Return what the phase needs to know; most phases need nothing."""
        measure = self._measures.get(state.phase) if state else None
        return await measure(seen, state, policy) if measure and state else Facts()

    async def _warming(self, seen: Observation, state: State, _policy: Policy) -> Facts:
        release, _why = await self._release(state.digest)
        inference = ENTITIES if release and release.manifest.task == golden.TASK else None
        is_warm, note = await warm(
            self._http, _candidate(seen), inference, self._settings.warm_seconds
        )
        return Facts(warm=is_warm, note=note)

    async def _evaluating(self, seen: Observation, state: State, policy: Policy) -> Facts:
        try:
            result = await self._golden(seen, state, policy)
        except golden.GoldenUnavailable as error:
            _LOG.warning("the golden set could not be evaluated: %s", error)
            return Facts(note=str(error))
        except Refused as error:  # no patience makes it better
            return Facts(golden=GoldenResult(passed=False, evidence=str(error)))
        facts = await self._canary(seen, state, policy)
        return Facts(golden=result, snapshot=facts.snapshot, note=facts.note)

    async def _canary(self, seen: Observation, state: State, _policy: Policy) -> Facts:
        pair = [name for name in (state.stable, state.candidate) if name]
        awake = any(seen.revisions[name].replicas for name in pair if name in seen.revisions)
        try:
            return Facts(
                snapshot=await self._source.read(Wanted(seen.service.namespace, pair, awake))
            )
        except SourceUnavailable as error:
            _LOG.warning("no samples of requests: %s", error)
            return Facts(note=str(error))

    async def _golden(self, seen: Observation, state: State, policy: Policy) -> GoldenResult:
        if not state.digest:
            return GoldenResult(passed=True, evidence="no model in the template: ready is enough")
        release, why = await self._release(state.digest)
        if release is None:
            raise golden.GoldenUnavailable(why)
        manifest = release.manifest
        if manifest.task != golden.TASK or not manifest.golden:
            no_metric = f"no golden metric exists for {manifest.task}: ready is enough"
            return GoldenResult(passed=True, evidence=no_metric)
        examples = await asyncio.to_thread(golden.read, release.path / manifest.golden)
        question = gate.Question(tuple(each.entities for each in examples), manifest.metrics)
        alone = not state.stable or state.switched
        both = await in_earnest(lambda: self._answers(seen, examples, alone=alone), policy)
        result = gate.judge(question, *both, policy)
        if alone or not result.passed or not policy.shadow_requests:
            return result
        live = await shadow.compare(self._http, _service(seen), _candidate(seen), policy)
        return GoldenResult(live.passed, f"{result.evidence}; {live.evidence}")

    async def _answers(
        self, seen: Observation, examples: Sequence[Example], *, alone: bool
    ) -> Both:
        """Ask both; stable has no tag, but the Service's own address is its until the first step."""
        ours = await golden.ask(self._endpoint(_candidate(seen)), examples)
        if alone:
            return ours, None
        return ours, await golden.ask(self._endpoint(_service(seen)), examples)

    def _endpoint(self, url: str) -> golden.Endpoint:
        return golden.Endpoint(self._http, url, self._settings.golden_batch)

    async def _release(self, digest: str | None) -> tuple[Release | None, str]:
        if not digest:
            return None, "no model in the template"
        try:
            return await asyncio.to_thread(self._cache.release, digest), ""
        except RegistryError as error:
            return None, str(error)


async def in_earnest(ask: Callable[[], Awaitable[Both]], policy: Policy) -> Both:
    """Ask again while the candidate is too slow: one slow round may be the machine's, not its own."""
    for _ in range(_ROUNDS - 1):
        both = await ask()
        if not gate.too_slow(*both, policy):
            return both
    return await ask()


def _candidate(seen: Observation) -> str:
    return address(traffic.CANDIDATE, seen.service.name, seen.service.namespace)


def _service(seen: Observation) -> str:
    return f"http://{seen.service.name}.{seen.service.namespace}.svc.cluster.local"
