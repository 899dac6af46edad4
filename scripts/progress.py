"""A progress bar of bytes: drawn in place on a terminal, one line at the end elsewhere."""

import sys
import threading
import time
from types import TracebackType
from typing import Self

_WIDTH = 30
_REDRAW_SECONDS = 0.1
_LEAST = 1 << 20


def mebibytes(size: int) -> str:
    """Write a number of bytes for people; what is small in KiB."""
    return f"{size / (1 << 20):.1f} MiB" if size >= _LEAST else f"{size / (1 << 10):.1f} KiB"


class Bar:
    """Counts up to `total` bytes; `add` may be called from several threads."""

    def __init__(self, label: str, total: int) -> None:
        self._label = label
        self._total = total
        self._done = 0
        self._started = time.monotonic()
        self._drawn = 0.0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Start counting."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        """Draw the last state, if it came to anything."""
        if error is not None and not self._done:
            return
        self._draw(end="\n" if error is None else "\nstopped\n")

    def add(self, size: int) -> None:
        """Count `size` bytes more."""
        with self._lock:
            self._done += size
            now = time.monotonic()
            if sys.stdout.isatty() and now - self._drawn > _REDRAW_SECONDS:
                self._drawn = now
                self._draw(end="")

    def _draw(self, end: str) -> None:
        share = min(self._done / self._total, 1.0) if self._total else 1.0
        seconds = max(time.monotonic() - self._started, 1e-3)
        filled = "█" * int(_WIDTH * share)
        speed = mebibytes(int(self._done / seconds))
        left = f", {seconds / share - seconds:.0f} s left" if 0 < share < 1 else ""
        start = "\r" if sys.stdout.isatty() else ""
        text = f"{start}{self._label}: {filled:·<{_WIDTH}} {share:4.0%} {speed}/s{left}   "
        print(text, end=end, flush=True)
