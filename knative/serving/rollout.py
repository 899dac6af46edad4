"""Decide: an observation and the state → the next state and what is written with it.

A transition is one conditional update of the Service, so a kill leaves either all of it or none.
Events wait in the state's outbox until they are delivered. Which transition is taken stands in
`table`, why in `inputs`, what is written in `effects`. Pure.
"""

from dataclasses import replace

from knative.serving import traffic
from knative.serving.effects import EFFECTS, Step
from knative.serving.inputs import read
from knative.serving.observation import Action, ClearCommand, Decision, Observation, SetTraffic
from knative.serving.policy import Policy
from knative.serving.state import State
from knative.serving.table import TABLE, Effect, Input, Phase

_SKEW_SECONDS = 5.0
"""Two machines' clocks may differ by so much without any harm."""


def decide(seen: Observation, state: State | None, policy: Policy, now: float) -> Decision:
    """Return what to write now; `changed` is false when there is nothing."""
    if state is None:
        return _adopt(seen, now)
    rebased = _rebased(state, policy, now)
    if rebased:
        return Decision(rebased, changed=True)
    found = read(seen, state, policy, now)
    transition = TABLE.get((state.phase, found[0])) if found else None
    if not found or not transition or not _possible(seen, state, transition.effect):
        return _waiting(seen, state)
    step = Step(seen, policy, now, found[1], found[0])
    stays = transition.phase is state.phase
    arrived = replace(state, phase=transition.phase, since=now, reason=found[1])
    arrived = replace(arrived, held=state.held if stays else "")
    if state.phase is Phase.SUCCEEDED and found[0] is Input.ABORT:
        arrived = replace(arrived, stable=state.previous, previous=None)
    after, actions = EFFECTS[transition.effect](step, arrived)
    return Decision(after, actions + _obeyed(seen), changed=True)


def _rebased(state: State, policy: Policy, now: float) -> State | None:
    """After the clock was set back nobody waits for the time that it lost: count from now."""
    latest, window = now + _SKEW_SECONDS, policy.warm_window_seconds
    if max(state.since, state.started, state.previous_until - window) <= latest:
        return None
    return replace(
        state,
        since=min(state.since, now),
        started=min(state.started, now),
        previous_until=min(state.previous_until, now + window),
    )


def _possible(seen: Observation, state: State, effect: Effect) -> bool:
    """Nothing is given to a stable Revision that is not Ready: better wait where we are."""
    back_to = state.previous if state.phase is Phase.SUCCEEDED else state.stable
    if state.switched and not state.weight():
        return True  # nobody is moved
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
