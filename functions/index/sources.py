"""What a generation remembers of each object of the bucket, so that unchanged ones are not read again.

`sources.jsonl` has a line for each object, in the order of the chunks: the first object's chunks are
the generation's first chunks, the second one's follow.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from functions.index.generation import Skipped

SOURCES = "sources.jsonl"


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as the bucket's listing shows it."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Source:
    """An object that was read, and what came of it: how many documents and chunks, what was skipped."""

    entry: Entry
    documents: int
    chunks: int
    skipped: tuple[Skipped, ...] = ()


def write(path: Path, sources: Sequence[Source]) -> None:
    """Write the sources of the generation in `path`."""
    with (path / SOURCES).open("w", encoding="utf-8") as lines:
        for source in sources:
            lines.write(json.dumps(asdict(source), ensure_ascii=False) + "\n")


def read(path: Path) -> list[Source]:
    """Read the sources of the generation in `path`; FileNotFoundError where it has none."""
    with (path / SOURCES).open(encoding="utf-8") as lines:
        return [_source(line) for line in lines]


def _source(line: str) -> Source:
    fields = json.loads(line)
    skipped = tuple(Skipped(**one) for one in fields["skipped"])
    return Source(Entry(**fields["entry"]), fields["documents"], fields["chunks"], skipped)
