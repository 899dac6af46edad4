"""What is there before anybody asks: the namespaces, and the platform's feature switches.

Switches that a person has set stay as they are.
"""

import contextlib

from knative.local.errors import AlreadyExists
from knative.local.kinds import NAMESPACES
from knative.local.store import Object, Store

# A claim is a directory here, so the switches that a cluster leaves off are on.
FEATURES = {
    "kubernetes.podspec-persistent-volume-claim": "enabled",
    "kubernetes.podspec-persistent-volume-write": "enabled",
}


def seed(store: Store) -> None:
    """Create what is missing."""
    for name in NAMESPACES:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        labels = {"labels": {"kubernetes.io/metadata.name": name}}
        _create(
            store,
            {**namespace, "metadata": {"name": name, **labels}, "status": {"phase": "Active"}},
        )
    meta = {"name": "config-features", "namespace": "knative-serving"}
    _create(store, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": FEATURES})


def _create(store: Store, obj: Object) -> None:
    with contextlib.suppress(AlreadyExists):
        store.create(obj)
