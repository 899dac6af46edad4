"""One writer at a time, across processes and pods that share a volume.

A lock is a locked file, so the kernel lets go of it when its holder dies, however it dies. A lock
file that its holder removed on the way out may still be locked by a waiter: then it is another
file than the one under that name, and the waiter tries again.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from functions.registry.errors import Busy


@contextmanager
def exclusive(path: Path, *, wait: bool) -> Iterator[None]:
    """Hold `path` locked. Without `wait`, Busy is raised when somebody else holds it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = _acquire(path, wait=wait)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        os.close(handle)


def _acquire(path: Path, *, wait: bool) -> int:
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            if _is_current(handle, path):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise Busy(f"another process holds {path.name}") from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)


def _is_current(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
