"""Upkeep: what must hold beside the Service, whatever the last look managed to write.

Raised min-scales and the tick source follow from the states alone, so they are compared and
repaired on every look; nothing about them is remembered. A Revision whose min-scale we raised says
so in an annotation, with the value that it had. Pure.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from knative.serving.objects import HELD, MIN_SCALE, RevisionView
from knative.serving.state import State
from knative.serving.table import Phase

Patch = Mapping[str, Any]


def holds(state: State | None) -> dict[str, int]:
    """Return the replicas that a Revision must keep for now."""
    if state is None:
        return {}
    if state.phase is Phase.PROMOTING and state.candidate:
        return {state.candidate: max(1, state.needed)}
    if state.phase is Phase.SUCCEEDED and state.previous and not state.switched:
        return {state.previous: 1}
    return {}


def evicted(state: State | None) -> str | None:
    """Return the Revision whose Pods must make room: stable's for the switch, or the other way back."""
    if state is None or not state.switched:
        return None
    return {Phase.DRAINING: state.stable, Phase.ROLLING_BACK: state.candidate}.get(state.phase)


def patches(revisions: Iterable[RevisionView], wanted: Mapping[str, int]) -> dict[str, Patch]:
    """Return the annotations to change, a Revision; None takes an annotation away."""
    found = {view.name: _patch(view, wanted.get(view.name)) for view in revisions}
    return {name: patch for name, patch in found.items() if patch}


def _patch(view: RevisionView, replicas: int | None) -> Patch:
    if replicas is None:
        if view.held is None:
            return {}
        return {HELD: None, MIN_SCALE: view.held or None}
    original = (view.min_scale or "") if view.held is None else view.held
    scale = str(max(replicas, int(original or 0)))
    if view.held is not None and view.min_scale == scale:
        return {}
    return {HELD: original, MIN_SCALE: scale}


def pulse(states: Iterable[State | None]) -> str:
    """How often somebody must look: `fast` in a rollout, `slow` in a warm window, else `none`."""
    known = [state for state in states if state is not None]
    if any(state.active or state.outbox for state in known):
        return "fast"
    return "slow" if any(state.previous for state in known) else "none"
