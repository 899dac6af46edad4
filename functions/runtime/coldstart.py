"""How long this process took to become ready, phase by phase, in seconds.

`process` runs from the kernel's start of the process to our first line, `import` until the server
listens, `fetch` until the release was found, `load` until the resource is open, `first_inference`
until one real answer was made, `ready` until the platform was told. What the platform did before
the process began (`schedule`) only the Pod knows: `marketresearch coldstart` adds it.
"""

import os
import time
from pathlib import Path

from functions.runtime import metrics
from functions.runtime.metrics import COLD_START

_phases: dict[str, float] = {}
_last = time.monotonic()


def begin() -> None:
    """Record `process`: the age of this process now; call it on the first line of the program."""
    global _last  # noqa: PLW0603 - one process has one start
    _record("process", process_age())
    _last = time.monotonic()


def mark(phase: str) -> None:
    """Record `phase` as the time since the mark before it."""
    global _last  # noqa: PLW0603 - one process has one start
    now = time.monotonic()
    _record(phase, now - _last)
    _last = now


def phases() -> dict[str, float]:
    """Return the phases so far, in order, in seconds."""
    return dict(_phases)


def process_age() -> float:
    """Return seconds since the kernel started this process; 0 where /proc does not tell."""
    try:
        stat = Path("/proc/self/stat").read_text()
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return 0.0
    started_ticks = int(stat.rpartition(")")[2].split()[19])
    return max(0.0, uptime - started_ticks / os.sysconf("SC_CLK_TCK"))


def publish() -> None:
    """Put the phases into `cold_start_seconds`, once somebody can ask for them."""
    metrics.soon(_publish)


def _publish() -> None:
    for phase, seconds in phases().items():
        COLD_START.labels(phase=phase).set(seconds)


def told_ready() -> dict[str, object] | None:
    """Record `ready` when the platform is told for the first time; return what to log of the start."""
    if "ready" in _phases or "first_inference" not in _phases:
        return None
    mark("ready")
    publish()
    return {"cold_start": phases(), "started_at": round(time.time() - process_age(), 3)}


def _record(phase: str, seconds: float) -> None:
    _phases[phase] = round(seconds, 4)
