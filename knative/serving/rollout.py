"""Decide: an observation and the state → the next state and what is written with it.

Everything that a transition changes on the Service (traffic, template, state) is one conditional
update, so a kill leaves either all of it or none. Events wait in the state's outbox until they are
delivered. Which transition is taken stands in `table`, why in `inputs`. Pure.
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
from knative.serving.inputs import read
from knative.serving.observation import (
    Action,
    ClearCommand,
    Decision,
    Observation,
    RestoreTemplate,
    SetTraffic,
)
from knative.serving.policy import Policy
from knative.serving.state import State
from knative.serving.table import TABLE, Effect, Input, Phase

Written = tuple[State, tuple[Action, ...]]


@dataclass(frozen=True, slots=True)
class _Step:
    """One transition being written: everything an effect may look at."""

    seen: Observation
    policy: Policy
    now: float
    evidence: str

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


def decide(seen: Observation, state: State | None, policy: Policy, now: float) -> Decision:
    """Return what to write now; `changed` is false when there is nothing."""
    if state is None:
        return _adopt(seen, now)
    found = read(seen, state, policy, now)
    transition = TABLE.get((state.phase, found[0])) if found else None
    if not found or not transition or not _possible(seen, state, transition.effect):
        return _waiting(seen, state)
    step = _Step(seen, policy, now, found[1])
    arrived = replace(state, phase=transition.phase, since=now)
    arrived = replace(arrived, reason=found[1])
    if state.phase is Phase.SUCCEEDED and found[0] is Input.ABORT:
        arrived = replace(arrived, stable=state.previous, previous=None)
    after, actions = _EFFECTS[transition.effect](step, arrived)
    return Decision(after, actions + _obeyed(seen), changed=True)


def _possible(seen: Observation, state: State, effect: Effect) -> bool:
    """Nothing is given to a stable Revision that is not Ready: better wait where we are."""
    back_to = state.previous if state.phase is Phase.SUCCEEDED else state.stable
    if effect in {Effect.RESTORE, Effect.DROP, Effect.STEP}:
        return back_to is None or seen.ready(back_to)
    return True


def _waiting(seen: Observation, state: State) -> Decision:
    """Take away a command that did not apply, so that it does not strike a later rollout."""
    actions = _obeyed(seen)
    return Decision(state, actions, changed=bool(actions))


def _obeyed(seen: Observation) -> tuple[Action, ...]:
    return (ClearCommand(),) if seen.command() else ()


def _adopt(seen: Observation, now: float) -> Decision:
    """Pin a Service to the Revision that serves; a newer template then starts a rollout."""
    serving, service = seen.serving(), seen.service
    if serving is None:
        return Decision(None)
    view = seen.revisions[serving]
    settled = service.current and service.latest_created == serving
    state = State(
        phase=Phase.SUCCEEDED,
        template=service.template if settled else view.template,
        stable=serving,
        digest=view.digest,
        since=now,
    )
    targets = traffic.pin(service.targets, serving)
    state = replace(state, weights=traffic.weights(targets)).noting(now, f"adopted at {serving}")
    return Decision(state, (SetTraffic(targets), *_obeyed(seen)), changed=True)


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


def _begin(step: _Step, state: State) -> Written:
    service, stable = step.seen.service, step.seen.serving()
    fresh = replace(begin(service.template, step.now, state), stable=stable)
    if stable and not service.pinned:
        return step.routed(fresh, traffic.pin(service.targets, stable))
    return replace(fresh, weights=traffic.weights(service.targets) if stable else None), ()


def _tag(step: _Step, state: State) -> Written:
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


def _note(step: _Step, state: State) -> Written:
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


def _next(step: _Step, state: State) -> Written:
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


def _baseline(step: _Step, state: State) -> Written:
    snapshot = step.seen.facts.snapshot
    if snapshot:
        snapshot = snapshot.only((state.stable, state.candidate))
    return replace(state, baseline=snapshot), ()


def _shift(step: _Step, state: State) -> Written:
    targets = traffic.promote(step.seen.service.targets, state.stable, state.candidate or "")
    state, actions = step.routed(state, targets)
    return step.progressed(state), actions


def _keep(step: _Step, state: State) -> Written:
    payload = RolloutPromoted(
        service=step.seen.service.name,
        candidate=state.candidate or "",
        previous=state.stable,
        digest=state.digest,
        evidence=step.evidence,
    )
    until = step.now + step.policy.warm_window_seconds
    state = replace(
        state, previous=state.stable, previous_until=until, stable=state.candidate, baseline=None
    )
    return state.noting(step.now, step.evidence).announcing(payload), ()


def _restore(step: _Step, state: State) -> Written:
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


def _refuse(step: _Step, state: State) -> Written:
    payload = RolloutRolledBack(
        service=step.seen.service.name,
        candidate=state.candidate or "",
        stable=state.stable or "",
        digest=state.digest,
        evidence=step.evidence,
    )
    return state.noting(step.now, step.evidence).announcing(payload), ()


def _drop(step: _Step, state: State) -> Written:
    let_go = _superseded(step, state)
    if not state.stable:
        return let_go, ()
    return step.routed(let_go, traffic.rollback(step.seen.service.targets, state.stable))


def _let_go(step: _Step, state: State) -> Written:
    """Whatever template is there now is the person's affair too: only a later one is ours."""
    service = step.seen.service
    weights = traffic.weights(service.targets)
    return replace(_superseded(step, state), weights=weights, template=service.template), ()


def _superseded(step: _Step, state: State) -> State:
    payload = RolloutSuperseded(
        service=step.seen.service.name, candidate=state.candidate or "", evidence=step.evidence
    )
    state = replace(state, baseline=None)
    return state.noting(step.now, step.evidence).announcing(payload)


def _release(step: _Step, state: State) -> Written:
    targets = traffic.untag(step.seen.service.targets, traffic.PREVIOUS)
    state, actions = step.routed(replace(state, previous=None), targets)
    return state.noting(step.now, step.evidence), actions


_EFFECTS: Mapping[Effect, Callable[[_Step, State], Written]] = {
    Effect.BEGIN: _begin,
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
}
