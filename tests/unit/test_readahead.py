"""What is read ahead is in the page cache as a whole, however large."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from warmup import readahead

SIZE = 48 << 20
"""Several read-ahead windows; the largest that is usual is 8 MiB."""
pytestmark = pytest.mark.skipif(
    not shutil.which("fincore"), reason="fincore (util-linux) is missing"
)


@pytest.fixture
def forgotten(tmp_path: Path) -> Path:
    """A file that the page cache does not hold."""
    path = tmp_path / "weights"
    with path.open("wb") as file:
        file.write(os.urandom(SIZE))
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    if cached(path):
        pytest.skip("this file system keeps its pages")
    return path


def test_all_of_a_large_file_is_read(forgotten: Path) -> None:
    readahead.fill([forgotten])
    assert cached(forgotten) == SIZE


def test_what_is_missing_keeps_nobody_from_the_rest(forgotten: Path, tmp_path: Path) -> None:
    readahead.fill([tmp_path / "missing", tmp_path, forgotten])
    assert cached(forgotten) == SIZE


def cached(path: Path) -> int:
    """Return how many bytes of a file are in the page cache."""
    command = ["fincore", "--bytes", "--noheadings", "--output", "RES", str(path)]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)
