"""The kernel is told what will be read, so that it comes from the disk while Python still imports.

On a file that is in the page cache already this costs next to nothing.
"""

import os
from collections.abc import Iterable
from pathlib import Path


def announce(files: Iterable[Path]) -> None:
    """Ask for these files; one that is not there is somebody else's error. Blocks a little."""
    for path in files:
        try:
            file = os.open(path, os.O_RDONLY)
        except OSError:
            continue
        try:
            os.posix_fadvise(file, 0, 0, os.POSIX_FADV_WILLNEED)
        finally:
            os.close(file)
