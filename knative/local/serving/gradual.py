"""Gradual rollout to the latest Revision: 1 % first, then equal steps until the duration is over; pure.

Knative's rules: the newest Revision starts with 1 %, taken from the one before it. Each step moves
the same share from the younger of the old ones, so a Revision that comes meanwhile starts again at
1 % and the oldest keeps its share longest. There is at most one step a second and one percent a
step.
"""

import json
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace

from knative.local.store import Object

Shares = tuple[tuple[str, int], ...]  # (Revision, percent), oldest first

ANNOTATION = "serving.knative.dev/rollout-duration"
MEMORY = "serving.knative.dev/rollout"
IN_PROGRESS = "RolloutInProgress", "A gradual rollout of the latest revision(s) is in progress."
MIN_STEP = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Gradual:
    """Who has how much of the latest Revision's traffic, and how it goes on; times are seconds."""

    shares: Shares
    step: int = 0  # percent
    every: float = 0.0
    next: float | None = None  # when the next step is due; None when there is none


def read(status: Object, known: Container[str]) -> Gradual | None:
    """Read from a Route's status how far it is; Revisions that are no more are left out."""
    latest = [t for t in status.get("traffic") or [] if t.get("latestRevision")]
    shares = tuple((t["revisionName"], t["percent"]) for t in latest if t["percent"])
    shares = tuple(share for share in shares if share[0] in known)
    if not shares:
        return None
    try:
        kept = json.loads((status.get("annotations") or {})[MEMORY])
        return Gradual(shares, int(kept["step"]), float(kept["every"]), float(kept["next"]))
    except (TypeError, ValueError, KeyError):
        return Gradual(shares)


def memory(state: Gradual) -> Object:
    """Return what in a Route's status lets a rollout go on, also after a restart."""
    if state.next is None:
        return {}
    text = json.dumps({"step": state.step, "every": state.every, "next": state.next})
    return {"annotations": {MEMORY: text}}


def spread(targets: Iterable[Object], state: Gradual) -> list[Object]:
    """Return the targets with what is for the latest Revision shared out."""
    *older, (_, percent) = state.shares
    shared: list[Object] = []
    for target in targets:
        if target["latestRevision"] and target["percent"]:
            shared += [{"revisionName": n, "percent": p, "latestRevision": True} for n, p in older]
            shared.append({**target, "percent": percent})
            older, percent = [], 0
        else:
            shared.append(target)
    return shared


def advance(before: Gradual | None, goal: tuple[str, int], duration: float, now: float) -> Gradual:
    """Return what holds now; the goal is the newest Revision and the percent of all shares."""
    newest, percent = goal
    done = Gradual((goal,))
    if before is None or not before.shares or duration < MIN_STEP or percent <= 1:
        return done
    shares = _adjusted(before.shares, percent)
    if shares[-1][0] != newest:
        return _begun(shares, newest, duration, now)
    if len(shares) == 1 or before.next is None:  # over, or nobody knows how it went on
        return done
    if now < before.next:
        return replace(before, shares=shares)
    stepped = _stepped(shares, before.step)
    return replace(before, shares=stepped, next=now + before.every) if len(stepped) > 1 else done


def _begun(shares: Shares, newest: str, duration: float, now: float) -> Gradual:
    rest = sum(percent for _, percent in shares) - 1
    left = max(1.0, duration - MIN_STEP)  # the first percent took its time already
    steps = min(rest, max(1.0, left / MIN_STEP))
    every = left / steps
    begun = (*_less(shares, 1), (newest, 1))
    return Gradual(begun, max(1, round(rest / steps)), every, now + every)


def _stepped(shares: Shares, step: int) -> Shares:
    *old, (newest, percent) = shares
    total = sum(share for _, share in shares)
    return (*_less(tuple(old), step), (newest, min(total, percent + step)))


def _adjusted(shares: Shares, percent: int) -> Shares:
    """Make the shares sum to `percent`: more goes to the newest, less is taken from the oldest."""
    more = percent - sum(share for _, share in shares)
    if more >= 0:
        return (*shares[:-1], (shares[-1][0], shares[-1][1] + more))
    return _less(shares[::-1], -more)[::-1]


def _less(shares: Shares, percent: int) -> Shares:
    """Take `percent` away, from the last on; what has nothing left is dropped."""
    kept: list[tuple[str, int]] = []
    for name, share in reversed(shares):
        taken = min(share, percent)
        percent -= taken
        if share > taken:
            kept.append((name, share - taken))
    return tuple(reversed(kept))
