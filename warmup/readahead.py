"""Files come into the page cache before they are mapped, from the disk while Python still imports.

`sendfile` to nowhere reads a file and copies it to nobody; what is in the page cache already costs
next to nothing. POSIX_FADV_WILLNEED would not do: of each call the kernel takes one read-ahead
window only, 8 MiB of a model's 436 where this was measured, and leaves the rest to page faults.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

_AT_ONCE = 1 << 30
"""Bytes of one call: the kernel would take twice as many."""


def fill(files: Iterable[Path]) -> None:
    """Read these files into the page cache; blocks. One that is not there is somebody else's error."""
    with Path(os.devnull).open("wb") as nowhere:
        for path in files:
            with suppress(OSError), path.open("rb") as file:
                at = 0
                while sent := os.sendfile(nowhere.fileno(), file.fileno(), at, _AT_ONCE):
                    at += sent
