"""A Pod's `.status` as `kubectl` prints and clients read it, from a process's state. Pure."""

from datetime import datetime

from knative.local.conditions import Truth, set_condition
from knative.local.store import Object, timestamp


def running() -> Object:
    """Return the state of a process that runs."""
    return {"running": {}}


def waiting(reason: str, message: str) -> Object:
    """Return the state of a process that cannot be started."""
    return {"waiting": {"reason": reason, "message": message}}


def terminated(code: int, tail: str) -> Object:
    """Return the state of a process that ended; `tail` is the end of its output."""
    reason = "Completed" if code == 0 else "Error"
    return {"terminated": {"exitCode": code, "reason": reason, "message": tail}}


def pod_status(pod: Object, state: Object, *, ready: bool, restarts: int, now: datetime) -> Object:
    """Make the whole status; conditions keep the time of their last change."""
    before = pod.get("status") or {}
    container = pod["spec"]["containers"][0]
    was = (before.get("containerStatuses") or [{}])[0]
    ended = state if "terminated" in state else was.get("lastState", {})
    status: Object = {
        "phase": "Running" if "running" in state else "Pending",
        "startTime": before.get("startTime", timestamp(now)),
        "podIP": "127.0.0.1",
        "hostIP": "127.0.0.1",
        "conditions": [dict(c) for c in before.get("conditions", [])],
        "containerStatuses": [
            {
                "name": container.get("name", "user-container"),
                "image": container.get("image", ""),
                "ready": ready,
                "restartCount": restarts,
                "state": state,
                "lastState": ended,
            }
        ],
    }
    truth: Truth = "True" if ready else "False"
    set_condition(status, "PodScheduled", "True", now=now)
    set_condition(status, "ContainersReady", truth, now=now)
    set_condition(status, "Ready", truth, now=now)
    return status
