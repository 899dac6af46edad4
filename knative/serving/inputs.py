"""From an observation to the one input that the transition table understands.

A person comes first, then what is broken, then the phase's own question. None means: wait. Pure.
"""

from collections.abc import Callable, Mapping

from knative.serving import traffic
from knative.serving.observation import Observation
from knative.serving.policy import Policy
from knative.serving.samples import window
from knative.serving.state import State
from knative.serving.table import Input, Phase
from knative.serving.verdict import Outcome, Verdict, Windows, judge, overdue

Found = tuple[Input, str] | None


def read(seen: Observation, state: State, policy: Policy, now: float) -> Found:
    """Return what happened, with its evidence."""
    if not state.active:
        return _at_rest(seen, state, now)
    found = _person(seen, state, policy) or _broken(seen, state)
    if found:
        return found
    found = _READERS[state.phase](seen, state, policy, now)
    return _armed(found) if state.held else found


def _armed(found: Found) -> Found:
    """While a person is waited for, time does not count and nothing advances; failing still does."""
    return found if found and found[0] in {Input.FAILING, Input.REFUSED, Input.MEASURED} else None


def _at_rest(seen: Observation, state: State, now: float) -> Found:
    if state.phase is Phase.SUCCEEDED and state.previous:
        if seen.command() == ("abort", state.candidate):
            return Input.ABORT, "a person rolled back"
        if now >= state.previous_until:
            return Input.EXPIRED, "the warm window is over"
    return (Input.CHANGED, "the template changed") if due(seen, state) else None


def due(seen: Observation, state: State) -> bool:
    """Whether the template is one that no rollout has handled yet."""
    serving = seen.revisions.get(seen.serving() or "")
    handled = {state.template, serving.template if serving else state.template}
    return seen.service.template not in handled


def _person(seen: Observation, state: State, policy: Policy) -> Found:
    hand = _hand(seen, state)
    if hand:
        return Input.TAKEN, hand
    if state.phase is Phase.ROLLING_BACK:
        return None
    if seen.service.template != state.template and policy.on_new == "supersede":
        return Input.OUTDATED, "a newer template arrived"
    return _commanded(seen, state)


def _commanded(seen: Observation, state: State) -> Found:
    verb, candidate = seen.command() or ("", None)
    if verb not in _VERBS or candidate != state.candidate:
        return None
    if verb == _AGAINST.get(state.held, "resume"):
        return None
    return _VERBS[verb], f"a person said {verb}"


_VERBS = {
    "promote": Input.PROMOTE,
    "abort": Input.ABORT,
    "pause": Input.PAUSE,
    "resume": Input.RESUME,
}
_AGAINST = {"pause": "pause", "gate": ""}
"""What makes no sense: to pause what is paused, and (the default) to resume what is not held."""


def _hand(seen: Observation, state: State) -> str:
    """Say how the traffic differs from what we wrote; empty when it does not."""
    if not state.weights:
        return ""
    found = traffic.weights(seen.service.targets)
    if found != state.weights or not seen.service.pinned:
        return f"traffic was set by hand: {_words(found)}, we had written {_words(state.weights)}"
    at_tag = traffic.tagged(seen.service.targets, traffic.CANDIDATE)
    if state.phase in _TAGGED and state.weight() < traffic.WHOLE and at_tag != state.candidate:
        return "the tag candidate was taken away by hand"
    return ""


_TAGGED = frozenset({Phase.WARMING, Phase.EVALUATING, Phase.CANARY, Phase.PROMOTING})


def _broken(seen: Observation, state: State) -> Found:
    if state.phase is Phase.ROLLING_BACK:
        return None
    view = seen.revisions.get(state.candidate or "") if state.candidate else None
    if state.phase is Phase.PENDING:
        view = seen.made_from(state.template)
    elif view is None:
        return Input.BROKEN, f"{state.candidate} is gone"
    if view and view.ready is False:
        return Input.BROKEN, f"{view.name} is not Ready: {view.reason}"
    return None


def _pending(seen: Observation, state: State, policy: Policy, now: float) -> Found:
    if seen.waits_for:
        why = f"{' and '.join(seen.waits_for)} had not finished"
        return _deadline(now - state.started, policy, why)
    view = seen.made_from(state.template)
    if view and view.digest in state.refused and view.digest != _digest(seen, state.stable):
        return Input.BROKEN, f"{view.digest} was refused before, and nobody insists on it"
    crowd = _crowd(seen, state, policy) if view else ""
    if crowd:
        return Input.CROWDED, crowd
    if view and view.ready:
        return Input.READY, f"{view.name} is Ready"
    return _deadline(now - state.started, policy, "was not Ready")


def _digest(seen: Observation, name: str | None) -> str | None:
    view = seen.revisions.get(name or "")
    return view.digest if view else None


def _crowd(seen: Observation, state: State, policy: Policy) -> str:
    """Say why both cannot run at once; empty when they can."""
    stable, candidate = seen.revisions.get(state.stable or ""), seen.made_from(state.template)
    if not stable or not candidate:
        return ""
    if policy.strategy == "switch":
        return "the policy says switch"
    gpus = candidate.gpus + stable.gpus * max(1, stable.replicas)
    budget = _budget(seen, policy)
    if gpus and budget is not None and gpus > budget:
        return f"both would hold {gpus} GPUs of {budget}"
    return ""


def _budget(seen: Observation, policy: Policy) -> int | None:
    if isinstance(policy.gpus, str):
        return seen.gpus
    return policy.gpus or None


def _draining(seen: Observation, state: State, policy: Policy, now: float) -> Found:
    if seen.ready(state.candidate):
        return Input.READY, f"{state.candidate} is Ready"
    return _late_switch(state, policy, now)


def _late_switch(state: State, policy: Policy, now: float) -> Found:
    waited = now - state.since
    if waited < policy.switch_deadline_seconds:
        return None
    return Input.OVERDUE, f"{state.candidate} was not good {waited:.0f} s after the switch"


def _warming(seen: Observation, state: State, policy: Policy, now: float) -> Found:
    if seen.facts.warm and seen.ready(state.candidate):
        return Input.WARM, seen.facts.note
    if state.switched:
        return _late_switch(state, policy, now)
    return _deadline(now - state.started, policy, f"was not warm: {seen.facts.note}")


def _evaluating(seen: Observation, state: State, policy: Policy, now: float) -> Found:
    golden = seen.facts.golden
    if golden and not golden.passed:
        return Input.REFUSED, golden.evidence
    if golden and seen.ready(state.candidate):
        if not state.stable:
            return Input.FIRST, golden.evidence
        at_once = state.switched or policy.steps[0] == traffic.WHOLE
        return (Input.LAST if at_once else Input.PASSED), golden.evidence
    switch = policy.switch_deadline_seconds
    if now - state.since >= (switch if state.switched else policy.max_inconclusive_seconds):
        return Input.OVERDUE, f"the golden set could not be evaluated: {seen.facts.note}"
    return None


def _canary(seen: Observation, state: State, policy: Policy, now: float) -> Found:
    snapshot = seen.facts.snapshot
    if snapshot and not state.baseline:
        return Input.MEASURED, "samples of requests can be had again"
    verdict = _verdict(seen, state, policy, now)
    if verdict.outcome is Outcome.FAILED:
        return Input.FAILING, verdict.evidence
    if verdict.outcome is Outcome.INCONCLUSIVE:
        return _inconclusive(seen, state, policy, (now, verdict))
    return _onward(seen, state, policy, verdict.evidence)


def _verdict(seen: Observation, state: State, policy: Policy, now: float) -> Verdict:
    snapshot = seen.facts.snapshot
    if not snapshot or not state.baseline:
        return Verdict(Outcome.INCONCLUSIVE, f"no samples of requests: {seen.facts.note}")
    windows = Windows(
        stable=window(state.baseline, snapshot, state.stable or ""),
        candidate=window(state.baseline, snapshot, state.candidate or ""),
        weight=state.weight(),
        seconds=now - state.since,
        golden=state.golden != "",
    )
    return judge(windows, policy)


def _inconclusive(
    seen: Observation, state: State, policy: Policy, look: tuple[float, Verdict]
) -> Found:
    now, verdict = look
    if not overdue(now - state.since, policy):
        return None
    evidence = f"Inconclusive for too long: {verdict.evidence}"
    if policy.on_inconclusive == "promote":
        return _onward(seen, state, policy, evidence)
    return Input.OVERDUE, evidence


def _onward(seen: Observation, state: State, policy: Policy, evidence: str) -> Found:
    if not seen.ready(state.candidate):
        return None
    if state.weight() in policy.gates and state.opened != state.step:
        return Input.GATED, f"{evidence}; waits at the gate of {state.weight()} %"
    following = policy.steps[state.step + 1 :]
    last = not following or following[0] == traffic.WHOLE
    return (Input.LAST if last else Input.SUCCESSFUL), evidence


def _promoting(seen: Observation, state: State, policy: Policy, now: float) -> Found:
    view = seen.revisions[state.candidate or ""]
    if state.weight() < traffic.WHOLE:
        if view.ready and view.replicas >= state.needed:
            return Input.CAPACITY, state.reason
    elif traffic.weights(seen.service.routed) == state.weights:
        return Input.ROUTED, state.reason
    why = f"could not take all traffic ({view.replicas} replicas, {state.needed} needed)"
    return _deadline(now - state.since, policy, why)


def _rolling_back(seen: Observation, state: State, policy: Policy, now: float) -> Found:
    back = not state.switched or _replicas(seen, state.stable) >= state.needed
    if not state.stable or (back and traffic.weights(seen.service.routed) == state.weights):
        return Input.ROUTED, state.reason
    return _deadline(now - state.since, policy, f"{state.reason}; the Route did not follow")


def _replicas(seen: Observation, name: str | None) -> int:
    view = seen.revisions.get(name or "")
    return view.replicas if view else 0


def _deadline(seconds: float, policy: Policy, why: str) -> Found:
    if seconds < policy.start_deadline_seconds:
        return None
    return Input.OVERDUE, f"{why} after {seconds:.0f} s"


_READERS: Mapping[Phase, Callable[[Observation, State, Policy, float], Found]] = {
    Phase.PENDING: _pending,
    Phase.DRAINING: _draining,
    Phase.WARMING: _warming,
    Phase.EVALUATING: _evaluating,
    Phase.CANARY: _canary,
    Phase.PROMOTING: _promoting,
    Phase.ROLLING_BACK: _rolling_back,
}


def _words(weights: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {percent} %" for name, percent in weights.items()) or "nothing"
