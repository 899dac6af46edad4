"""Bytes are hashed in their order as they come, and the wire does not run ahead of the hash."""

import hashlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.registry.download import WORKERS, Arrivals, download, in_order
from functions.registry.errors import Cut
from functions.registry.ranges import Journal, Range, split

CONTENT = bytes(range(200))
PARTS = split(len(CONTENT), 10)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SOON = 10
"""Seconds that a test waits for what takes none."""


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "notes", tmp_path / "target", "etag", len(CONTENT))


def test_a_part_begins_only_when_an_earlier_one_was_taken() -> None:
    begun: list[Range] = []

    def start(part: Range) -> Arrivals:
        begun.append(part)
        arrivals = Arrivals()
        arrivals.put(part)
        return arrivals

    taken = []
    for part in in_order(start, PARTS):
        taken.append(part)
        assert begun == PARTS[: len(taken) + WORKERS - 1]
    assert taken == PARTS


def test_a_piece_is_taken_before_its_part_is_whole() -> None:
    arrivals = Arrivals()
    taken = in_order(lambda _: arrivals, [Range(0, 10)])
    for piece in (Range(0, 3), Range(3, 7)):
        arrivals.put(piece)
        assert next(taken) == piece
    assert list(taken) == []


def test_the_hash_is_the_whole_files_whatever_was_there_already(tmp_path: Path) -> None:
    asked: list[int] = []

    def ask(part: Range) -> Iterator[bytes]:
        asked.append(part.start)
        yield CONTENT[part.start : part.start + 3]
        yield CONTENT[part.start + 3 : part.end]

    for missing in (20, 0):
        journal = Journal(tmp_path / "notes", tmp_path / "target", "etag", len(CONTENT))
        assert download(ask, journal, PARTS) == SHA256
        assert len(asked) == missing
        asked.clear()


def test_a_wire_that_only_brings_little_is_asked_for_little(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.registry.download.FIRST_PAUSE", 0)

    def ask(part: Range) -> Iterator[bytes]:
        if part.size > 30:
            raise Cut("reset")
        yield CONTENT[part.start : part.end]

    assert download(ask, journal, split(len(CONTENT), 100)) == SHA256


def test_a_fault_of_one_part_ends_the_others(journal: Journal) -> None:
    failed = threading.Event()
    brought: list[int] = []
    first, *others = split(len(CONTENT), 50)

    def ask(part: Range) -> Iterator[bytes]:
        if part == first:
            yield CONTENT[:1]
            failed.set()
            raise PermissionError("denied")
        assert failed.wait(SOON)
        for at in range(part.start, part.end):
            brought.append(at)
            yield CONTENT[at : at + 1]
            time.sleep(0.02)  # a slow wire

    with pytest.raises(PermissionError, match="denied"):
        download(ask, journal, [first, *others])
    assert len(brought) < sum(part.size for part in others)


def test_who_may_not_step_back_fetches_all_the_same(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_by: int) -> int:
        raise PermissionError

    monkeypatch.setattr(os, "nice", refuse)
    assert download(lambda part: iter([CONTENT[part.start : part.end]]), journal, PARTS) == SHA256


@pytest.mark.skipif(sys.platform != "linux", reason="a thread has no niceness of its own elsewhere")
def test_who_fetches_steps_back_for_who_hashes(journal: Journal) -> None:
    before, niceness = os.getpriority(os.PRIO_PROCESS, 0), set()

    def ask(part: Range) -> Iterator[bytes]:
        niceness.add(os.getpriority(os.PRIO_PROCESS, 0))
        yield CONTENT[part.start : part.end]

    download(ask, journal, PARTS)
    assert os.getpriority(os.PRIO_PROCESS, 0) == before
    assert min(niceness) > before
