"""Kubernetes events about objects: equal ones are counted, and only the newest are kept."""

import hashlib
from datetime import datetime
from typing import Literal

from knative.local.store import NotFound, Object, Store, timestamp

KEPT = 500  # per namespace


def record_event(
    store: Store,
    involved: Object,
    reason: str,
    message: str,
    type: Literal["Normal", "Warning"],  # noqa: A002 - the field's name in Kubernetes
    now: datetime,
) -> None:
    """Say that something happened to an object; `kubectl get events` and `describe` show it."""
    meta = involved["metadata"]
    namespace = meta.get("namespace") or "default"
    identity = "\0".join((meta.get("uid", ""), reason, message, type))
    name = f"{meta['name']}.{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    try:
        event, write = store.get("Event", namespace, name), store.update
    except NotFound:
        _trim(store, namespace)
        event, write = _new(involved, namespace, name, timestamp(now)), store.create
    event |= {"reason": reason, "message": message, "type": type}
    write(event | {"count": event["count"] + 1, "lastTimestamp": timestamp(now)})


def _new(involved: Object, namespace: str, name: str, when: str) -> Object:
    meta = involved["metadata"]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": namespace},
        "involvedObject": {
            "apiVersion": involved["apiVersion"],
            "kind": involved["kind"],
            "name": meta["name"],
            "namespace": namespace,
            "uid": meta.get("uid", ""),
        },
        "source": {"component": "marketresearchai"},
        "count": 0,
        "firstTimestamp": when,
    }


def _trim(store: Store, namespace: str) -> None:
    events = store.list("Event", namespace)
    for old in sorted(events, key=_last_seen)[: max(0, len(events) - KEPT + 1)]:
        store.delete("Event", namespace, old["metadata"]["name"])


def _last_seen(event: Object) -> str:
    return str(event.get("lastTimestamp", ""))
