"""What a Revision is made of, which one is the latest ready, and which have outlived their use; pure."""

from collections.abc import Collection, Sequence
from copy import deepcopy
from datetime import UTC, datetime, timedelta

from knative.local.conditions import owner_reference
from knative.local.serving.traffic import readiness
from knative.local.store import Object

CONFIGURATION = "serving.knative.dev/configuration"
GENERATION = "serving.knative.dev/configurationGeneration"
SERVICE = "serving.knative.dev/service"
STATE = "serving.knative.dev/routingState"
STATE_SINCE = "serving.knative.dev/routingStateModified"
CREATOR = "serving.knative.dev/creator"

# Garbage collection, Knative's defaults: an unused Revision goes when it is older than both, and
# more than KEPT unused ones are there.
SINCE_CREATE = timedelta(hours=48)
SINCE_ACTIVE = timedelta(hours=15)
KEPT = 20


def revision_name(configuration: Object) -> str:
    """Return the name of the Revision of a Configuration's present generation."""
    meta, template = configuration["metadata"], configuration["spec"]["template"]
    chosen: str = (template.get("metadata") or {}).get("name") or ""
    return chosen or f"{meta['name']}-{meta['generation']:05d}"


def make(configuration: Object) -> Object:
    """Return the Revision of a Configuration's present generation."""
    owner, template = configuration["metadata"], deepcopy(configuration["spec"]["template"])
    meta = template.get("metadata") or {}
    labels = {
        CONFIGURATION: owner["name"],
        GENERATION: str(owner["generation"]),
        "serving.knative.dev/configurationUID": owner["uid"],
        STATE: "pending",
    }
    inherited = {k: v for k, v in (owner.get("labels") or {}).items() if k.startswith(SERVICE)}
    creator = (owner.get("annotations") or {}).get(CREATOR, "local")
    return {
        "apiVersion": configuration["apiVersion"],
        "kind": "Revision",
        "metadata": {
            "name": revision_name(configuration),
            "namespace": owner["namespace"],
            "labels": (meta.get("labels") or {}) | inherited | labels,
            "annotations": {**(meta.get("annotations") or {}), CREATOR: creator},
            "ownerReferences": [owner_reference(configuration)],
        },
        "spec": template["spec"],
    }


def generation(revision: Object) -> int:
    """Return the Configuration generation that a Revision was made of."""
    return int((revision["metadata"].get("labels") or {}).get(GENERATION, "0"))


def latest_ready(revisions: Sequence[Object], present: str | None) -> str | None:
    """Return the newest ready Revision, never an older one than the present: that is a rollback."""
    named = {r["metadata"]["name"]: r for r in revisions}
    oldest = generation(named[present]) if present in named else 0
    ready = [r for r in revisions if readiness(r) == "True" and generation(r) >= oldest]
    if ready:
        return str(max(ready, key=generation)["metadata"]["name"])
    return present if present in named else None


def routing_state(revision: Object, routed: Collection[str], when: str) -> Object | None:
    """Return the Revision with its routing state brought up to date, None when it is."""
    meta = revision["metadata"]
    before = (meta.get("labels") or {}).get(STATE)
    state = "active" if meta["name"] in routed else "reserve"
    if before == state or (before == "pending" and state == "reserve"):
        return None
    labels = {**(meta.get("labels") or {}), STATE: state}
    annotations = {**(meta.get("annotations") or {}), STATE_SINCE: when}
    return {**revision, "metadata": {**meta, "labels": labels, "annotations": annotations}}


def outlived(revisions: Sequence[Object], needed: Collection[str], now: datetime) -> list[str]:
    """Return the Revisions to collect: unused, old, and beyond the number that is kept."""
    unused = [
        r
        for r in sorted(revisions, key=generation)
        if r["metadata"]["name"] not in needed and _state(r) != "active"
    ]
    surplus = unused[: max(0, len(unused) - KEPT)]
    return [r["metadata"]["name"] for r in surplus if _old(r, now)]


def _state(revision: Object) -> str:
    return str((revision["metadata"].get("labels") or {}).get(STATE, ""))


def _old(revision: Object, now: datetime) -> bool:
    meta = revision["metadata"]
    created = meta["creationTimestamp"]
    active = (meta.get("annotations") or {}).get(STATE_SINCE, created)
    return now - _time(created) > SINCE_CREATE and now - _time(active) > SINCE_ACTIVE


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
