"""What is there before anybody asks: the namespaces, and the platform's feature switches.

Switches that a person has set stay as they are.
"""

import contextlib

from knative.local.errors import AlreadyExists
from knative.local.kinds import NAMESPACES
from knative.local.store import Object, Store

# What Pods can do here, though a cluster leaves it off until its operator turns it on.
FEATURES = {
    "kubernetes.podspec-fieldref": "enabled",
    "kubernetes.podspec-persistent-volume-claim": "enabled",
    "kubernetes.podspec-persistent-volume-write": "enabled",
}


def seed(store: Store) -> None:
    """Create what is missing."""
    head = {"apiVersion": "v1", "kind": "Namespace", "status": {"phase": "Active"}}
    for name in NAMESPACES:
        meta = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
        _create(store, {**head, "metadata": meta})
    _features(store)


def _features(store: Store) -> None:
    """Turn on what nobody has decided about."""
    name, namespace = "config-features", "knative-serving"
    meta = {"name": name, "namespace": namespace}
    _create(store, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta})
    found = store.get("ConfigMap", namespace, name)
    store.update({**found, "data": FEATURES | (found.get("data") or {})})


def _create(store: Store, obj: Object) -> None:
    with contextlib.suppress(AlreadyExists):
        store.create(obj)
