"""Conditions change their time only when their status changes, and stay sorted by type."""

from datetime import datetime
from typing import Any, Literal

from knative.local.store import Object, timestamp

Truth = Literal["True", "False", "Unknown"]


def set_condition(
    status: dict[str, Any],
    type: str,  # noqa: A002 - the field's name in Kubernetes
    value: Truth,
    reason: str = "",
    message: str = "",
    *,
    now: datetime,
) -> None:
    """Set one condition inside `status`, in place."""
    conditions = status.setdefault("conditions", [])
    before = get_condition(status, type) or {}
    changed = before.get("status") != value
    entry = {
        "type": type,
        "status": value,
        "lastTransitionTime": timestamp(now) if changed else before["lastTransitionTime"],
    }
    entry |= {k: v for k, v in (("reason", reason), ("message", message)) if v}
    conditions[:] = sorted([c for c in conditions if c["type"] != type] + [entry], key=_type)


def get_condition(status: dict[str, Any], type: str) -> dict[str, Any] | None:  # noqa: A002 - as above
    """Return the condition of that type."""
    return next((c for c in status.get("conditions") or [] if c["type"] == type), None)


def is_true(obj: Object, type: str = "Ready") -> bool:  # noqa: A002 - as above
    """Say whether an object's condition is True *for its current generation*."""
    status = obj.get("status") or {}
    if (
        status.get("observedGeneration", obj["metadata"]["generation"])
        != obj["metadata"]["generation"]
    ):
        return False
    return (get_condition(status, type) or {}).get("status") == "True"


def owner_reference(obj: Object) -> dict[str, Any]:
    """Return the controlling ownerReference to `obj`."""
    return {
        "apiVersion": obj["apiVersion"],
        "kind": obj["kind"],
        "name": obj["metadata"]["name"],
        "uid": obj["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _type(condition: dict[str, Any]) -> str:
    return str(condition["type"])
