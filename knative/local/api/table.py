"""Objects as the rows that `kubectl get` prints; pure, `now` is an argument.

Paths are those of kinds.py: dotted, `conditions[Ready]` picks by type, `labels[key]` and `list[0]`
index, `data#` counts, and a name with `@` is one of the few columns that need more than a path.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from knative.local.kinds import Kind

Object = Mapping[str, Any]

_STEP = re.compile(r"(?P<name>[^.\[\]]+)(?:\[(?P<index>[^\]]+)\])?")
_UNITS = (("y", 31_536_000), ("d", 86_400), ("h", 3_600), ("m", 60))


def table(kind: Kind, objects: Sequence[Object], meta: Object, now: datetime) -> dict[str, Any]:
    """Return a meta.k8s.io/v1 Table."""
    columns = [("Name", "metadata.name"), *kind.columns]
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(meta),
        "columnDefinitions": [_column(name) for name, _ in columns],
        "rows": [
            {"cells": [cell(obj, path, now) for _, path in columns], "object": _partial(obj)}
            for obj in objects
        ],
    }


def cell(obj: Object, path: str, now: datetime) -> Any:
    """Return one printed value; what is not there prints as nothing."""
    if path in _SPECIAL:
        return _SPECIAL[path](obj, now)
    counted = path.endswith("#")
    value = _value(obj, path.rstrip("#"))
    if counted:
        return len(value or ())
    return "" if value is None else value


def age(text: str | None, now: datetime) -> str:
    """Return `5m`, `3d`: at most one unit, as coarse as it is long."""
    if not text:
        return "<unknown>"
    then = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(0, int((now - then).total_seconds()))
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _value(obj: Object, path: str) -> Any:
    value: Any = obj
    for step in _STEP.finditer(path):
        value = value.get(step["name"]) if isinstance(value, Mapping) else None
        if step["index"] is not None:
            value = _index(value, step["index"])
    return value


def _index(value: Any, index: str) -> Any:
    if isinstance(value, Mapping):
        return value.get(index)
    items: Sequence[Any] = value or ()
    if index.isdigit():
        return items[int(index)] if int(index) < len(items) else None
    return next((item for item in items if item.get("type") == index), None)


def _pod_ready(obj: Object, _now: datetime) -> str:
    states = (obj.get("status") or {}).get("containerStatuses") or []
    ready = sum(1 for s in states if s.get("ready"))
    return f"{ready}/{len((obj.get('spec') or {}).get('containers') or [])}"


def _involved(obj: Object, _now: datetime) -> str:
    involved = obj.get("involvedObject") or {}
    return f"{str(involved.get('kind', '')).lower()}/{involved.get('name', '')}"


_SPECIAL: Mapping[str, Callable[[Object, datetime], str]] = {
    "@age": lambda obj, now: age(obj["metadata"].get("creationTimestamp"), now),
    "@seen": lambda obj, now: age(obj.get("lastTimestamp"), now),
    "@pod": _pod_ready,
    "@object": _involved,
}


def _column(name: str) -> dict[str, Any]:
    form = "name" if name == "Name" else ""
    return {"name": name, "type": "string", "format": form, "description": name, "priority": 0}


def _partial(obj: Object) -> dict[str, Any]:
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj["metadata"],
    }
