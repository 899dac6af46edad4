"""Traffic: percents always sum to 100, and every target is pinned by its Revision's name.

`latestRevision: true` is never written: with it Knative would route to a Revision that nobody has
judged. Tags that are not ours are kept at 0 %. Pure: a list of targets in, a list of targets out.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

CANDIDATE = "candidate"
PREVIOUS = "previous"
OURS = frozenset({CANDIDATE, PREVIOUS})
WHOLE = 100


@dataclass(frozen=True, slots=True)
class Target:
    """One traffic target: `percent` of requests to `revision`, which answers at `tag` as well."""

    revision: str
    percent: int = 0
    tag: str | None = None


Targets = tuple[Target, ...]


def parse(traffic: Iterable[Mapping[str, Any]], latest: str | None) -> Targets:
    """Read `spec.traffic` or `status.traffic`; a latestRevision target means `latest`."""
    targets = []
    for entry in traffic:
        revision = entry.get("revisionName") or latest
        if revision:
            percent = int(entry.get("percent") or 0)
            targets.append(Target(revision, percent, entry.get("tag")))
    return tuple(targets)


def render(targets: Iterable[Target]) -> list[dict[str, Any]]:
    """Write `spec.traffic`."""
    return [
        {"revisionName": target.revision, "latestRevision": False, "percent": target.percent}
        | ({"tag": target.tag} if target.tag else {})
        for target in targets
    ]


def pinned(traffic: Sequence[Mapping[str, Any]]) -> bool:
    """Whether every target that gets requests names its Revision."""
    routed = [entry for entry in traffic if entry.get("percent")]
    return bool(routed) and all(entry.get("revisionName") for entry in routed)


def weights(targets: Iterable[Target]) -> dict[str, int]:
    """Return the percent of each Revision that gets requests."""
    total: dict[str, int] = {}
    for target in targets:
        if target.percent:
            total[target.revision] = total.get(target.revision, 0) + target.percent
    return total


def largest(targets: Iterable[Target]) -> str | None:
    """Return the Revision with the most requests; of equals the first."""
    shares = weights(targets)
    return max(shares, key=lambda revision: shares[revision], default=None)


def tagged(targets: Iterable[Target], tag: str) -> str | None:
    """Return the Revision that answers at `tag`."""
    return next((target.revision for target in targets if target.tag == tag), None)


def pin(targets: Iterable[Target], revision: str) -> Targets:
    """Give everything to `revision`; a tag of ours is dropped, any other is kept."""
    return (Target(revision, WHOLE), *_kept(targets))


def split(targets: Iterable[Target], stable: str, candidate: str, weight: int) -> Targets:
    """Give `weight` percent to `candidate`, which is tagged, and the rest to `stable`."""
    if not 0 <= weight <= WHOLE:
        message = f"a weight is 0 to 100, not {weight}"
        raise ValueError(message)
    return (
        Target(stable, WHOLE - weight),
        Target(candidate, weight, CANDIDATE),
        *_kept(targets),
    )


def introduce(targets: Iterable[Target], candidate: str) -> Targets:
    """Give everything to a tagged `candidate`: there is no stable Revision to keep."""
    return (Target(candidate, WHOLE, CANDIDATE), *_kept(targets))


def promote(targets: Iterable[Target], stable: str | None, candidate: str) -> Targets:
    """Give everything to `candidate`; `stable` stays reachable under the tag `previous`."""
    previous = (Target(stable, 0, PREVIOUS),) if stable else ()
    return (Target(candidate, WHOLE), *previous, *_kept(targets))


def rollback(targets: Iterable[Target], stable: str) -> Targets:
    """Give everything back to `stable`; the candidate loses its tag, so that it goes to zero."""
    return pin(targets, stable)


def untag(targets: Iterable[Target], tag: str) -> Targets:
    """Take `tag` away; a target that had nothing else goes."""
    return tuple(
        Target(target.revision, target.percent, None if target.tag == tag else target.tag)
        for target in targets
        if target.percent or target.tag != tag
    )


def _kept(targets: Iterable[Target]) -> Targets:
    return tuple(
        Target(target.revision, 0, target.tag)
        for target in targets
        if target.tag and target.tag not in OURS
    )
