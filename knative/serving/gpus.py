"""The GPU budget: what the nodes have, less what others of the namespace hold. Pure.

Other namespaces cannot be seen, so theirs are not known: where GPUs are shared with them, the policy
says a number. A Pod holds what it limits, from its making to its end.
"""

from collections.abc import Iterable, Mapping
from typing import Any

Object = Mapping[str, Any]
GPU = "nvidia.com/gpu"
FROM_NODES = "nodes"
_SERVICE = "serving.knative.dev/service"
_OVER = frozenset({"Succeeded", "Failed"})


def limited(spec: Object) -> int:
    """Return what one Pod of this spec holds."""
    limits = [(item.get("resources") or {}).get("limits") for item in spec.get("containers") or []]
    return sum(int((limit or {}).get(GPU) or 0) for limit in limits)


def budget(nodes: Iterable[Object], pods: Iterable[Object], service: str) -> int:
    """Return how many GPUs all Revisions of `service` may hold together."""
    allocatable = [
        (node.get("status") or {}).get("allocatable") or {}
        for node in nodes
        if not (node.get("spec") or {}).get("unschedulable")
    ]
    others = (
        limited(pod.get("spec") or {})
        for pod in pods
        if (pod["metadata"].get("labels") or {}).get(_SERVICE) != service
        and (pod.get("status") or {}).get("phase") not in _OVER
    )
    return max(0, sum(int(each.get(GPU) or 0) for each in allocatable) - sum(others))
