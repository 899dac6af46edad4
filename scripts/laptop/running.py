"""Which `scripts/up` serves a data folder: it leaves its pid there, and takes it away when it ends."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PID_NAME, READY_NAME = "up.pid", "up.ready"
"""Who serves, and, once questions are answered, where."""


@contextmanager
def registered(data: Path) -> Iterator[None]:
    """Be the one that serves `data` while the body runs."""
    (data / READY_NAME).unlink(missing_ok=True)
    (data / PID_NAME).write_text(str(os.getpid()))
    try:
        yield
    finally:
        (data / READY_NAME).unlink(missing_ok=True)
        (data / PID_NAME).unlink(missing_ok=True)


def serving(data: Path) -> int | None:
    """Return the pid of the `up` that serves `data`; None if it ended, whichever way."""
    try:
        pid = int((data / PID_NAME).read_text())
    except (OSError, ValueError):
        return None
    return pid if is_up(pid) else None


def is_up(pid: int) -> bool:
    """Whether `pid` is an `up` of ours: pids are used again."""
    try:
        return b"scripts.laptop.up" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
