"""A file comes in parts, and a killed transfer goes on where it stopped.

The journal lists the parts that are on disk. It is a hint, not a proof: the sha256 of the whole
file decides in the end, so nothing here needs to survive a power cut.
"""

import ctypes
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_fallocate = getattr(ctypes.CDLL(None, use_errno=True), "fallocate", None)  # Linux has it


@dataclass(frozen=True, slots=True)
class Range:
    """`size` bytes of a file, from `start` on."""

    start: int
    size: int

    @property
    def end(self) -> int:
        """The first byte that is not part of it."""
        return self.start + self.size

    @property
    def header(self) -> str:
        """The HTTP header's value."""
        return f"bytes={self.start}-{self.end - 1}"


def split(size: int, part: int) -> list[Range]:
    """Cut `size` bytes into parts of `part` bytes; an empty file has none."""
    return [Range(start, min(part, size - start)) for start in range(0, size, part)]


def reserve(handle: int, size: int) -> None:
    """Take the room of a file's first `size` bytes now; OSError when there is not as much.

    Where a file system cannot do that, nothing happens. `os.posix_fallocate` would write to each
    block of the file there instead.
    """
    if _fallocate and size and _fallocate(handle, 0, ctypes.c_int64(0), ctypes.c_int64(size)):
        code = ctypes.get_errno()
        if code in {errno.ENOSPC, errno.EDQUOT}:
            raise OSError(code, os.strerror(code))


class Journal:
    """Which parts of one object (`etag`) are in `target` already; `path` keeps the list."""

    def __init__(self, path: Path, target: Path, etag: str, size: int) -> None:
        self._path = path
        self._target = target
        self._etag = etag
        self._size = size
        self._lock = threading.Lock()
        self._handle = -1
        self.done = self._read()

    @contextmanager
    def opened(self) -> Iterator[None]:
        """Hold the target open for writing, at its full size; OSError where the disk has less."""
        self._target.parent.mkdir(parents=True, exist_ok=True)
        if not self.done:
            self._target.unlink(missing_ok=True)
            self._path.write_text(f"{self._etag}\n")
        self._handle = os.open(self._target, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.truncate(self._handle, self._size)
            reserve(self._handle, self._size)
            yield
        finally:
            os.close(self._handle)

    def write(self, offset: int, content: bytes | memoryview) -> None:
        """Put some bytes where they belong. May be called from several threads."""
        view = memoryview(content)
        while view:
            # A kernel lets one at a time write to a file; who waits there, waits with a core.
            with self._lock:
                written = os.pwrite(self._handle, view, offset)
            offset, view = offset + written, view[written:]

    def finish(self, part: Range) -> None:
        """Note that a part is whole. May be called from several threads."""
        with self._lock, self._path.open("a") as notes:
            notes.write(f"{part.start}\n")

    def read(self, part: Range, into: memoryview) -> Iterator[memoryview]:
        """Read a part back, a piece of `into` at a time."""
        offset, end = part.start, part.end
        while offset < end:
            count = os.preadv(self._handle, [into[: end - offset]], offset)
            if not count:
                raise OSError(errno.EIO, "the file became shorter while it was read")
            yield into[:count]
            offset += count

    def _read(self) -> frozenset[int]:
        try:
            etag, *parts = self._path.read_text().split("\n")
        except FileNotFoundError:
            return frozenset()
        if etag != self._etag or not self._target.exists():
            return frozenset()
        # The last line counts only with its line end: it may have been cut off.
        return frozenset(int(part) for part in parts[:-1])
