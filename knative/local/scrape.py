"""Where Prometheus finds the samples of Pods: in their annotations, and as a list for its HTTP discovery.

In a cluster every Pod has port 9464 to itself; here each process has one of its own. Debian's
Prometheus has no Kubernetes discovery built in, so the same is told by HTTP as well. Pure.
"""

from collections.abc import Iterable
from typing import Any

from knative.local.store import Object

WANTED, PORT = "prometheus.io/scrape", "prometheus.io/port"


def annotated(pod: Object, port: int) -> Object:
    """Return the Pod with a note of its metrics port."""
    meta = pod["metadata"]
    notes = {**(meta.get("annotations") or {}), WANTED: "true", PORT: str(port)}
    return {**pod, "metadata": {**meta, "annotations": notes}}


def targets(pods: Iterable[Object]) -> list[Any]:
    """Return the Pods that are to be scraped, each with its namespace and name."""
    return [_target(pod["metadata"]) for pod in pods if PORT in _notes(pod["metadata"])]


def _target(meta: Object) -> Any:
    labels = {"namespace": meta["namespace"], "pod": meta["name"]}
    return {"targets": [f"127.0.0.1:{_notes(meta)[PORT]}"], "labels": labels}


def _notes(meta: Object) -> Any:
    return meta.get("annotations") or {}
