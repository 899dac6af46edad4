"""Parts are hashed in their order, and the wire does not run ahead of the hash."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from functions.registry.download import WORKERS, download, in_order
from functions.registry.errors import Cut
from functions.registry.ranges import Journal, Range, split

CONTENT = bytes(range(200))
PARTS = split(len(CONTENT), 10)


def test_a_part_begins_only_when_an_earlier_one_was_taken() -> None:
    begun: list[Range] = []

    def start(part: Range) -> Future[None]:
        begun.append(part)
        arrival: Future[None] = Future()
        arrival.set_result(None)
        return arrival

    taken = []
    for part in in_order(start, PARTS):
        taken.append(part)
        assert begun == PARTS[: len(taken) + WORKERS - 1]
    assert taken == PARTS


def test_the_hash_is_the_whole_files_whatever_was_there_already(tmp_path: Path) -> None:
    asked: list[int] = []

    def ask(part: Range) -> Iterator[bytes]:
        asked.append(part.start)
        yield CONTENT[part.start : part.start + 3]
        yield CONTENT[part.start + 3 : part.end]

    for missing in (20, 0):
        journal = Journal(tmp_path / "notes", tmp_path / "target", "etag", len(CONTENT))
        assert download(ask, journal, PARTS) == hashlib.sha256(CONTENT).hexdigest()
        assert len(asked) == missing
        asked.clear()


def test_a_wire_that_only_brings_little_is_asked_for_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.registry.download.FIRST_PAUSE", 0)

    def ask(part: Range) -> Iterator[bytes]:
        if part.size > 30:
            raise Cut("reset")
        yield CONTENT[part.start : part.end]

    journal = Journal(tmp_path / "notes", tmp_path / "target", "etag", len(CONTENT))
    assert download(ask, journal, split(len(CONTENT), 100)) == hashlib.sha256(CONTENT).hexdigest()
