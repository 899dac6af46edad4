"""A journal remembers what is on the disk, and a file's room is taken before its bytes come."""

import ctypes
import errno
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from functions.registry import ranges
from functions.registry.ranges import Journal, Range, split


def test_a_journal_remembers_parts_of_the_same_object_only(tmp_path: Path) -> None:
    notes, target = tmp_path / "notes", tmp_path / "deep" / "target"
    first, second = split(7, 4)
    assert (first, second, split(0, 4)) == (Range(0, 4), Range(4, 3), [])
    assert second.header == "bytes=4-6"
    journal = Journal(notes, target, "etag", 7)
    with journal.opened():
        journal.write(0, b"ab")
        journal.write(2, b"cd")
        journal.finish(first)
    assert Journal(notes, target, "etag", 7).done == {0}
    assert Journal(notes, target, "other", 7).done == frozenset()
    with notes.open("a") as file:
        file.write("4")  # cut off before its line end
    again = Journal(notes, target, "etag", 7)
    assert again.done == {0}
    with again.opened():
        again.write(4, b"efg")
        again.finish(second)
        pieces = [bytes(piece) for piece in again.read(second, memoryview(bytearray(2)))]
    assert pieces == [b"ef", b"g"]
    assert target.read_bytes() == b"abcdefg"
    target.unlink()
    assert Journal(notes, target, "etag", 7).done == frozenset()


def test_a_file_has_its_room_before_a_byte_has_come(tmp_path: Path) -> None:
    tool, target = shutil.which("fallocate"), tmp_path / "target"
    tried = [tool or "false", "--length", "1MiB", str(tmp_path / "tried")]
    if subprocess.run(tried, check=False).returncode:
        pytest.skip("this file system takes no room in advance, or there is no tool to ask it")
    with Journal(tmp_path / "notes", target, "etag", 1 << 20).opened():
        found = target.stat()
    assert (found.st_size, found.st_blocks * 512 >= 1 << 20) == (1 << 20, True)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_room_that_is_not_there_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(ranges, "_fallocate", failing(code))
    journal = Journal(tmp_path / "notes", tmp_path / "target", "etag", 7)
    with pytest.raises(OSError, match=os.strerror(code)), journal.opened():
        pytest.fail("there is no room to go on with")


def test_a_file_system_that_takes_no_room_in_advance_is_written_to_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranges, "_fallocate", failing(errno.EOPNOTSUPP))
    with Journal(tmp_path / "notes", tmp_path / "target", "etag", 3).opened():
        pass
    assert (tmp_path / "target").stat().st_size == 3


def failing(code: int) -> object:
    """A fallocate(2) that fails so."""

    def fallocate(*_arguments: object) -> int:
        ctypes.set_errno(code)
        return -1

    return fallocate
