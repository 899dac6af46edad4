"""From the wanted traffic of a Route to what may be routed to now; pure.

All or nothing, as in Knative: while one target is missing or not ready, the whole previous routing
stays, and the reason says which.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knative.local.conditions import Truth, get_condition
from knative.local.store import Object


@dataclass(frozen=True, slots=True)
class Urls:
    """How addresses are made: `http://{tag-}{name}.{namespace}.{domain}:{port}`."""

    domain: str
    port: int

    def external(self, namespace: str, name: str, tag: str = "") -> str:
        """Return the address for everybody outside."""
        host = f"{_tagged(name, tag)}.{namespace}.{self.domain}"
        return f"http://{host}" if self.port == 80 else f"http://{host}:{self.port}"  # noqa: PLR2004 - HTTP's own

    def internal(self, namespace: str, name: str, tag: str = "") -> str:
        """Return the address for the functions."""
        return f"http://{_tagged(name, tag)}.{namespace}.svc.cluster.local"


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why the wanted traffic cannot be assigned: the condition AllTrafficAssigned."""

    value: Truth
    reason: str
    message: str


def assign(
    wanted: Sequence[Mapping[str, Any]],
    configuration: Object | None,
    revisions: Mapping[str, Object],
    name: str,
) -> list[Object] | Blocked:
    """Return the targets with their Revisions, or the first reason why not."""
    found: list[Object] = []
    for target in wanted:
        pinned = target.get("revisionName")
        got = _pinned(pinned, revisions) if pinned else _latest(configuration, revisions, name)
        if isinstance(got, Blocked):
            return got
        entry: Object = {"revisionName": got, "percent": target.get("percent") or 0}
        entry["latestRevision"] = not pinned
        found.append(entry | ({"tag": target["tag"]} if target.get("tag") else {}))
    return found


def readiness(revision: Object) -> Truth:
    """Return the status of a Revision's Ready condition."""
    condition = get_condition(revision.get("status") or {}, "Ready") or {}
    value: Truth = condition.get("status", "Unknown")
    return value


def _pinned(name: str, revisions: Mapping[str, Object]) -> str | Blocked:
    revision = revisions.get(name)
    if revision is None:
        message = f'Revision "{name}" referenced in traffic not found.'
        return Blocked("False", "RevisionMissing", message)
    ready = readiness(revision)
    if ready == "Unknown":
        return Blocked("Unknown", "RevisionMissing", f'Revision "{name}" is not yet ready.')
    if ready == "False":
        message = f'Revision "{name}" failed to become ready.'
        return Blocked("False", "RevisionMissing", message)
    return name


def _latest(
    configuration: Object | None, revisions: Mapping[str, Object], name: str
) -> str | Blocked:
    if configuration is None:
        message = f'Configuration "{name}" referenced in traffic not found.'
        return Blocked("False", "ConfigurationMissing", message)
    status = configuration.get("status") or {}
    latest = status.get("latestReadyRevisionName")
    if latest in revisions:
        return str(latest)
    if (get_condition(status, "Ready") or {}).get("status") == "False":
        message = f'Configuration "{name}" does not have any ready Revision.'
        return Blocked("False", "RevisionMissing", message)
    message = f'Configuration "{name}" is waiting for a Revision to become ready.'
    return Blocked("Unknown", "RevisionMissing", message)


def _tagged(name: str, tag: str) -> str:
    return f"{tag}-{name}" if tag else name
