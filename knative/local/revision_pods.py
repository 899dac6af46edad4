"""A Revision's Pods and its conditions, as values. Pure.

The rule: once a Revision has been ready it stays so at zero; only a start that fails before the
first ready makes it False, with the process's own last words as the reason.
"""

import secrets
from collections.abc import Sequence
from datetime import datetime

from knative.local.conditions import (
    Truth,
    get_condition,
    is_true,
    owner_reference,
    set_condition,
)
from knative.local.pods import Replica
from knative.local.store import Object

SERVING = "serving.knative.dev/"
FAILED_STARTS = 3  # ends in a row, never ready, before a start is called failed


def pod_for(revision: Object) -> Object:
    """Make a new Pod of a Revision."""
    meta, spec = revision["metadata"], revision["spec"]
    labels = meta.get("labels") or {}
    container = dict(spec["containers"][0])
    container.setdefault("name", "user-container")
    known = {
        "K_SERVICE": labels.get(SERVING + "service", ""),
        "K_CONFIGURATION": labels.get(SERVING + "configuration", ""),
        "K_REVISION": meta["name"],
    }
    own = [{"name": name, "value": value} for name, value in known.items()]
    container["env"] = [*container.get("env", []), *own]
    suffix = secrets.token_hex(3)[:5]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{meta['name'][:45]}-deployment-{suffix}",
            "namespace": meta["namespace"],
            "labels": {**labels, SERVING + "revision": meta["name"], "app": meta["name"]},
            "annotations": dict(meta.get("annotations") or {}),
            "ownerReferences": [owner_reference(revision)],
        },
        "spec": {
            "containers": [container],
            "volumes": spec.get("volumes", []),
            "serviceAccountName": spec.get("serviceAccountName", "default"),
            "terminationGracePeriodSeconds": spec.get("timeoutSeconds") or 300,
        },
    }


def surplus(pods: Sequence[Object], replicas: Sequence[Replica], desired: int) -> list[Object]:
    """Choose the Pods to delete: those that are not ready first, then the newest."""
    ready = {r.pod["metadata"]["uid"] for r in replicas if r.ready}
    keep = sorted(
        pods,
        key=lambda p: (p["metadata"]["uid"] not in ready, p["metadata"]["creationTimestamp"]),
    )
    return keep[desired:]


def failure(replicas: Sequence[Replica]) -> str:
    """Return why a start has failed, empty when it has not."""
    for replica in replicas:
        if replica.failed_starts >= FAILED_STARTS and not replica.stopping:
            return f"Container failed with: {replica.problem}"
    return ""


def overtakes(newer: Object, older: Object) -> bool:
    """Say whether `newer` is a ready Revision of the same Configuration, made later."""
    return (
        is_true(newer)
        and newer["metadata"]["namespace"] == older["metadata"]["namespace"]
        and _place(newer)[0] == _place(older)[0]
        and _place(newer)[1] > _place(older)[1]
    )


def _place(revision: Object) -> tuple[str, int]:
    labels = revision["metadata"].get("labels") or {}
    generation = labels.get(SERVING + "configurationGeneration", "0")
    return labels.get(SERVING + "configuration", ""), int(generation)


def exit_reason(replicas: Sequence[Replica]) -> str:
    """Return Knative's reason for a failed start."""
    codes = [r.ends[-1] for r in replicas if r.ends]
    return f"ExitCode{codes[-1]}" if codes and codes[-1] >= 0 else "ContainerCreating"


def revision_status(
    revision: Object, ready: int, desired: int, problem: tuple[str, str], now: datetime
) -> Object:
    """Make the next status. `problem` is (reason, message) of a failed start, or two empty texts."""
    status: Object = {
        **(revision.get("status") or {}),
        "observedGeneration": revision["metadata"]["generation"],
        "actualReplicas": ready,
        "desiredReplicas": desired,
    }
    status["conditions"] = [dict(c) for c in status.get("conditions") or []]
    was = get_condition(status, "Ready")
    if (was and was["status"] == "True") or ready:
        _set_all(status, "True", ("", ""), now)
    elif problem[0]:
        kind = "ResourcesAvailable" if problem[0].startswith("Progress") else "ContainerHealthy"
        for name in (kind, "Ready"):
            set_condition(status, name, "False", *problem, now=now)
    elif was is None:
        _set_all(status, "Unknown", ("Deploying", ""), now)
    _set_active(status, ready, desired, now)
    return status


def _set_all(status: Object, value: Truth, why: tuple[str, str], now: datetime) -> None:
    for kind in ("ContainerHealthy", "ResourcesAvailable", "Ready"):
        set_condition(status, kind, value, *why, now=now)


def _set_active(status: Object, ready: int, desired: int, now: datetime) -> None:
    if ready and desired:
        set_condition(status, "Active", "True", now=now)
    elif desired:
        message = "Requests to the target are being buffered as resources are provisioned."
        set_condition(status, "Active", "Unknown", "Queued", message, now=now)
    else:
        message = "The target is not receiving traffic."
        set_condition(status, "Active", "False", "NoTraffic", message, now=now)
    for condition in status["conditions"]:
        if condition["type"] == "Active":
            condition["severity"] = "Info"
