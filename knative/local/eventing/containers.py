"""ContainerSource: one Pod that is told its sink as `K_SINK`."""

import hashlib
import json

from knative.local.conditions import is_true, owner_reference
from knative.local.errors import NotFound
from knative.local.eventing.control import Judged
from knative.local.store import Object, Store

_LABEL = "sources.knative.dev/containerSource"


def judge(store: Store, obj: Object, sink: str | None) -> Judged:
    """Keep the source's Pod, and be ready when it is."""
    ready = sink is not None and is_true(_keep_pod(store, obj, sink))
    waiting = ("PodNotReady", "the Pod of this source is not ready")
    return Judged({"ReceiveAdapterReady": None if ready else waiting})


def _keep_pod(store: Store, obj: Object, sink: str) -> Object:
    """Make the source's Pod; another template or sink is another Pod, the old one goes first."""
    wanted = _pod(obj, sink)
    name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
    label = wanted["metadata"]["labels"]
    for pod in store.list("Pod", namespace, {_LABEL: label[_LABEL]}):
        if pod["metadata"]["name"] != name:
            store.delete("Pod", namespace, pod["metadata"]["name"])
    try:
        return store.get("Pod", namespace, name)
    except NotFound:
        return store.create(wanted)


def _pod(obj: Object, sink: str) -> Object:
    template, meta = obj["spec"]["template"], obj["metadata"]
    overrides = json.dumps(obj["spec"].get("ceOverrides") or {})
    spec = with_env(template["spec"], {"K_SINK": sink, "K_CE_OVERRIDES": overrides})
    mark = hashlib.sha256(json.dumps([meta["uid"], spec], sort_keys=True).encode()).hexdigest()[:8]
    labels = {**(template.get("metadata") or {}).get("labels", {}), _LABEL: meta["name"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{meta['name']}-{mark}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": (template.get("metadata") or {}).get("annotations", {}),
            "ownerReferences": [owner_reference(obj)],
        },
        "spec": {"restartPolicy": "Always", **spec},
    }


def with_env(pod_spec: Object, values: dict[str, str]) -> Object:
    """Return the Pod spec with these variables in every container."""
    containers = []
    for container in pod_spec["containers"]:
        kept = [entry for entry in container.get("env") or [] if entry["name"] not in values]
        added = [{"name": name, "value": value} for name, value in values.items()]
        containers.append({**container, "env": [*kept, *added]})
    return {**pod_spec, "containers": containers}
