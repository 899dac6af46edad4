"""Typed views on the Kubernetes JSON that we read, and the one comparison of templates.

Two templates are the same when they would run the same: stamps of clients (`client.knative.dev/*`)
and of Knative itself (`serving.knative.dev/lastPinned` and its like) are left out. Pure.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from knative.serving import gpus, traffic

Object = dict[str, Any]
DIGEST = "rollout.marketresearch.ai/digest"
URI = "rollout.marketresearch.ai/uri"
HELD = "rollout.marketresearch.ai/held"
MIN_SCALE = "autoscaling.knative.dev/min-scale"
MAX_SCALE = "autoscaling.knative.dev/max-scale"
_SERVING = "serving.knative.dev/"
_STAMPS = ("client.knative.dev/",)
_MEANT = frozenset({"serving.knative.dev/progress-deadline"})


@dataclass(frozen=True, slots=True)
class RevisionView:
    """What a rollout needs to know of a Revision.

    ready: True, False, or None while it is unknown. template: the fingerprint of what it was made
    from. replicas: pods that run. held: the min-scale it had before we raised it, None when we
    did not. gpus: what one Pod of it holds.
    """

    name: str
    ready: bool | None
    reason: str
    digest: str | None
    template: str
    created: str
    replicas: int
    max_scale: int
    min_scale: str | None
    held: str | None
    gpus: int = 0


@dataclass(frozen=True, slots=True)
class ServiceView:
    """What a rollout needs to know of a Service; `routed` is what the Route does by now."""

    name: str
    namespace: str
    template: str
    latest_created: str | None
    latest_ready: str | None
    current: bool
    pinned: bool
    targets: traffic.Targets
    routed: traffic.Targets
    annotations: Mapping[str, str]


def service_view(service: Object) -> ServiceView:
    """Read a Service."""
    meta, spec, status = service["metadata"], service["spec"], service.get("status") or {}
    latest = status.get("latestReadyRevisionName")
    return ServiceView(
        name=meta["name"],
        namespace=meta["namespace"],
        template=fingerprint(spec["template"]),
        latest_created=status.get("latestCreatedRevisionName"),
        latest_ready=latest,
        current=status.get("observedGeneration") == meta.get("generation"),
        pinned=traffic.pinned(spec.get("traffic") or []),
        targets=traffic.parse(spec.get("traffic") or [], latest),
        routed=traffic.parse(status.get("traffic") or [], latest),
        annotations=meta.get("annotations") or {},
    )


def revision_view(revision: Object) -> RevisionView:
    """Read a Revision."""
    meta, status = revision["metadata"], revision.get("status") or {}
    annotations = meta.get("annotations") or {}
    ready, reason = _condition(status.get("conditions") or [], "Ready")
    return RevisionView(
        name=meta["name"],
        ready=ready,
        reason=reason,
        digest=annotations.get(DIGEST),
        template=fingerprint(template_of(revision)),
        created=meta.get("creationTimestamp") or "",
        replicas=int(status.get("actualReplicas") or 0),
        max_scale=int(annotations.get(MAX_SCALE) or 0),
        min_scale=annotations.get(MIN_SCALE),
        held=annotations.get(HELD),
        gpus=gpus.limited(revision.get("spec") or {}),
    )


def template_of(revision: Object) -> Object:
    """Return the template that a Revision was made from, without what Knative and we added."""
    meta = revision["metadata"]
    annotations = dict(meta.get("annotations") or {})
    held = annotations.pop(HELD, None)
    if held is not None:
        annotations.pop(MIN_SCALE, None)
        annotations |= {MIN_SCALE: held} if held else {}
    kept = {
        "annotations": _meant(annotations),
        "labels": _meant(meta.get("labels") or {}),
    }
    return {"metadata": {k: v for k, v in kept.items() if v}, "spec": revision["spec"]}


def fingerprint(template: Object) -> str:
    """Return a short name for what a template runs."""
    meta = template.get("metadata") or {}
    parts = [_meant(meta.get("annotations") or {}), _meant(meta.get("labels") or {})]
    text = json.dumps([*parts, _full(template.get("spec") or {})], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def model_of(template: Object) -> tuple[str, str]:
    """Return the URI and digest of the model that a template (or a Revision) serves; "" for none."""
    annotations = (template.get("metadata") or {}).get("annotations") or {}
    return annotations.get(URI, ""), annotations.get(DIGEST, "")


def with_model(template: Object, uri: str, digest: str) -> Object:
    """Return the template with another model: its URI and digest, and nothing else.

    They are annotations, which the container reads through the downward API: `containers` is one
    field to server-side apply, so writing its env would take the whole of it from Git.
    """
    meta = dict(template.get("metadata") or {})
    meta["annotations"] = {**(meta.get("annotations") or {}), URI: uri, DIGEST: digest}
    return {**template, "metadata": meta}


def _condition(conditions: Sequence[Object], kind: str) -> tuple[bool | None, str]:
    for condition in conditions:
        if condition.get("type") == kind:
            known = {"True": True, "False": False}.get(str(condition.get("status")))
            texts = (condition.get("reason"), condition.get("message"))
            return known, ": ".join(text for text in texts if text)
    return None, ""


def _meant(entries: Mapping[str, str]) -> dict[str, str]:
    """Keep what a person or a manifest wrote."""
    return {
        key: value
        for key, value in entries.items()
        if key in _MEANT or not key.startswith((_SERVING, *_STAMPS))
    }


def _full(value: Any) -> Any:
    """Leave out empty values: an API server may add or drop them."""
    if isinstance(value, dict):
        return {k: _full(v) for k, v in value.items() if v not in (None, {}, [], "")}
    return [_full(item) for item in value] if isinstance(value, list) else value
