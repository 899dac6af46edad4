"""How conditions add up: a Service is ready when its Configuration and its Route are; pure."""

from collections.abc import Sequence
from datetime import datetime

from knative.local.conditions import get_condition, set_condition
from knative.local.store import Object

_STALE = {
    "Configuration": "The Configuration is still working to reflect the latest desired specification.",
    "Route": "The Route is still working to reflect the latest desired specification.",
}
_REVISIONS = ("latestCreatedRevisionName", "latestReadyRevisionName")
_ROUTING = ("url", "address", "traffic")


def summarise(service: Object, configuration: Object, route: Object, now: datetime) -> Object:
    """Return a Service's status, made of those of its children."""
    meta = service["metadata"]
    status = dict(service.get("status") or {}) | {"observedGeneration": meta["generation"]}
    for child, names in ((configuration, _REVISIONS), (route, _ROUTING)):
        current = child.get("status") or {}
        for name in names:
            status.pop(name, None)
        status |= {name: current[name] for name in names if name in current}
    for type_, child in (("ConfigurationsReady", configuration), ("RoutesReady", route)):
        _take(status, type_, child, now, owned=is_owned(child, service))
    mark_ready(status, ("ConfigurationsReady", "RoutesReady"), now)
    return status


def is_owned(child: Object, owner: Object) -> bool:
    """Say whether an object belongs to another."""
    references = child["metadata"].get("ownerReferences") or []
    return any(r.get("uid") == owner["metadata"]["uid"] for r in references)


def mark_ready(status: Object, parts: Sequence[str], now: datetime) -> None:
    """Set Ready: False when a part is, else Unknown when a part is, with that part's reason."""
    found = [get_condition(status, part) or {"status": "Unknown"} for part in parts]
    for value in ("False", "Unknown"):
        bad = [c for c in found if c["status"] == value]
        if bad:
            told = max(bad, key=_tells)  # the first that gives a reason
            why = told.get("reason", ""), told.get("message", "")
            set_condition(status, "Ready", value, *why, now=now)
            return
    set_condition(status, "Ready", "True", now=now)


def _tells(condition: Object) -> bool:
    return bool(condition.get("reason"))


def _take(status: Object, type_: str, child: Object, now: datetime, *, owned: bool) -> None:
    """Take over a child's Ready, unless it has not seen its newest generation yet."""
    if not owned:
        name = child["metadata"]["name"]
        message = f'There is an existing {child["kind"]} "{name}" that we do not own.'
        set_condition(status, type_, "False", "NotOwned", message, now=now)
        return
    current = child.get("status") or {}
    ready = get_condition(current, "Ready") or {"status": "Unknown"}
    if current.get("observedGeneration") != child["metadata"]["generation"]:
        set_condition(status, type_, "Unknown", "OutOfDate", _STALE[child["kind"]], now=now)
        return
    why = ready.get("reason", ""), ready.get("message", "")
    set_condition(status, type_, ready["status"], *why, now=now)
