"""Effects: what each transition writes on the Service, and which event it puts into the outbox.

All that an effect changes (traffic, template, state) goes into one conditional update. Pure.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from eventing.events import (
    RolloutProgressed,
    RolloutPromoted,
    RolloutRolledBack,
    RolloutStarted,
    RolloutSuperseded,
)
from knative.serving import traffic
from knative.serving.observation import Action, Observation, RestoreTemplate, SetTraffic
from knative.serving.policy import Policy
from knative.serving.state import State
from knative.serving.table import Effect, Input, Phase

Written = tuple[State, tuple[Action, ...]]


@dataclass(frozen=True, slots=True)
class Step:
    """One transition being written: everything an effect may look at."""

    seen: Observation
    policy: Policy
    now: float
    evidence: str
    cause: Input

    def progressed(self, state: State) -> State:
        """Note it, and tell the world."""
        payload = RolloutProgressed(
            service=self.seen.service.name,
            candidate=state.candidate or "",
            phase=state.phase.value,
            weight=state.weight(),
            evidence=self.evidence,
        )
        return state.noting(self.now, self.evidence).announcing(payload)

    def routed(self, state: State, targets: traffic.Targets) -> Written:
        """Write traffic, and remember what was written."""
        state = replace(state, weights=traffic.weights(targets))
        return state, (SetTraffic(targets),)


def address(tag: str, service: str, namespace: str) -> str:
    """Return the cluster-local address at which a tagged Revision answers."""
    return f"http://{tag}-{service}.{namespace}.svc.cluster.local"


def begin(template: str, now: float, last: State | None = None) -> State:
    """Return the state in which a rollout of `template` starts; what was refused stays refused."""
    kept = last or State(Phase.PENDING, template)
    fresh = State(
        phase=Phase.PENDING,
        template=template,
        since=now,
        started=now,
        refused=kept.refused,
        outbox=kept.outbox,
        history=kept.history,
        trace=kept.trace,
    )
    return fresh.noting(now, "the template changed")


def _begin(step: Step, state: State) -> Written:
    service, stable = step.seen.service, step.seen.serving()
    if state.switched:  # it may still be on its way back
        stable = stable or state.stable
    fresh = replace(begin(service.template, step.now, state), stable=stable)
    if stable and not service.pinned:
        return step.routed(fresh, traffic.pin(service.targets, stable))
    return replace(fresh, weights=traffic.weights(service.targets) if stable else None), ()


def _drain(step: Step, state: State) -> Written:
    """Note whom to make room for; `needed` says whether stable was awake and has to come back."""
    view = step.seen.made_from(state.template)
    stable = step.seen.revisions[state.stable or ""]
    name = view.name if view else None
    state = replace(state, switched=True, candidate=name, needed=min(1, stable.replicas))
    return step.progressed(state), ()


def _tag(step: Step, state: State) -> Written:
    view = step.seen.made_from(state.template)
    assert view is not None  # noqa: S101 - READY was read from it
    service, stable = step.seen.service, state.stable
    targets = (
        traffic.split(service.targets, stable, view.name, 0)
        if stable
        else traffic.introduce(service.targets, view.name)
    )
    state = replace(state, candidate=view.name, digest=view.digest)
    payload = RolloutStarted(
        service=service.name,
        candidate=view.name,
        stable=stable,
        digest=view.digest,
        candidate_url=address(traffic.CANDIDATE, service.name, service.namespace),
    )
    state, actions = step.routed(state, targets)
    state = state.noting(step.now, step.evidence).announcing(payload)
    return state, actions


def _note(step: Step, state: State) -> Written:
    if state.phase is Phase.PROMOTING:
        state = replace(state, needed=_needed(step.seen, state))
    return step.progressed(state), ()


def _needed(seen: Observation, state: State) -> int:
    """Replicas for all the traffic: those of both, less the one that rounding up may have added."""
    views = [seen.revisions.get(name or "") for name in (state.stable, state.candidate)]
    together = max(0, sum(view.replicas for view in views if view) - 1)
    candidate = views[1]
    limit = candidate.max_scale if candidate else 0
    return min(together, limit) if limit else together


def _next(step: Step, state: State) -> Written:
    number = state.step + 1
    targets = traffic.split(
        step.seen.service.targets,
        state.stable or "",
        state.candidate or "",
        step.policy.steps[number],
    )
    golden = step.seen.facts.golden
    state = replace(
        state, step=number, golden=golden.evidence if golden else state.golden, baseline=None
    )
    state, actions = step.routed(_baseline(step, state)[0], targets)
    return step.progressed(state), actions


def _baseline(step: Step, state: State) -> Written:
    snapshot = step.seen.facts.snapshot
    if snapshot:
        snapshot = snapshot.only((state.stable, state.candidate))
    return replace(state, baseline=snapshot), ()


def _shift(step: Step, state: State) -> Written:
    targets = traffic.promote(step.seen.service.targets, state.stable, state.candidate or "")
    state, actions = step.routed(state, targets)
    return step.progressed(state), actions


def _keep(step: Step, state: State) -> Written:
    payload = RolloutPromoted(
        service=step.seen.service.name,
        candidate=state.candidate or "",
        previous=state.stable,
        digest=state.digest,
        evidence=step.evidence,
    )
    window = 0.0 if state.switched else step.policy.warm_window_seconds
    until = step.now + window
    state = replace(
        state, previous=state.stable, previous_until=until, stable=state.candidate, baseline=None
    )
    return state.noting(step.now, step.evidence).announcing(payload), ()


def _restore(step: Step, state: State) -> Written:
    """Traffic and template in one write; a template that is newer than the candidate's stays."""
    view = step.seen.made_from(state.template)
    state = replace(
        state, candidate=state.candidate or (view.name if view else None), baseline=None
    )
    digest = view.digest if view else state.digest
    stable = step.seen.revisions.get(state.stable or "")
    if stable is None:
        return step.progressed(state.refusing(digest)), ()
    state = state.refusing(digest if digest != stable.digest else None)
    actions: tuple[Action, ...] = ()
    if step.seen.service.template == state.template:
        state, actions = replace(state, template=stable.template), (RestoreTemplate(stable.name),)
    targets = traffic.rollback(step.seen.service.targets, stable.name)
    state, traffic_actions = step.routed(state, targets)
    return step.progressed(state), (*traffic_actions, *actions)


def _refuse(step: Step, state: State) -> Written:
    payload = RolloutRolledBack(
        service=step.seen.service.name,
        candidate=state.candidate or "",
        stable=state.stable or "",
        digest=state.digest,
        evidence=step.evidence,
    )
    return state.noting(step.now, step.evidence).announcing(payload), ()


def _drop(step: Step, state: State) -> Written:
    let_go = _superseded(step, state)
    if not state.stable:
        return let_go, ()
    return step.routed(let_go, traffic.rollback(step.seen.service.targets, state.stable))


def _let_go(step: Step, state: State) -> Written:
    """Whatever template is there now is the person's affair too: only a later one is ours."""
    service = step.seen.service
    weights = traffic.weights(service.targets)
    return replace(_superseded(step, state), weights=weights, template=service.template), ()


def _hold(step: Step, state: State) -> Written:
    """Wait for a person; a gate that is paused is a pause, and opening it still needs `resume`."""
    gate = step.cause is Input.GATED
    return step.progressed(replace(state, held="gate" if gate else "pause")), ()


def _go_on(step: Step, state: State) -> Written:
    """Count the interval as served while it was held; patience begins anew."""
    opened = state.step if state.held == "gate" else state.opened
    since = step.now - step.policy.step_interval_seconds
    return step.progressed(replace(state, held="", opened=opened, since=since)), ()


def _superseded(step: Step, state: State) -> State:
    payload = RolloutSuperseded(
        service=step.seen.service.name, candidate=state.candidate or "", evidence=step.evidence
    )
    state = replace(state, baseline=None)
    return state.noting(step.now, step.evidence).announcing(payload)


def _release(step: Step, state: State) -> Written:
    targets = traffic.untag(step.seen.service.targets, traffic.PREVIOUS)
    state, actions = step.routed(replace(state, previous=None), targets)
    return state.noting(step.now, step.evidence), actions


EFFECTS: Mapping[Effect, Callable[[Step, State], Written]] = {
    Effect.BEGIN: _begin,
    Effect.DRAIN: _drain,
    Effect.TAG: _tag,
    Effect.NOTE: _note,
    Effect.STEP: _next,
    Effect.BASELINE: _baseline,
    Effect.SHIFT: _shift,
    Effect.KEEP: _keep,
    Effect.RESTORE: _restore,
    Effect.REFUSE: _refuse,
    Effect.DROP: _drop,
    Effect.LET_GO: _let_go,
    Effect.RELEASE: _release,
    Effect.HOLD: _hold,
    Effect.GO_ON: _go_on,
}
