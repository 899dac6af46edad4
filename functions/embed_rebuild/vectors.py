"""Vectors that were computed once, by content key: no text meets the same embedder twice.

The key covers embedder, chunker and text, so a new embedder or chunker finds nothing here and
embeds everything. Texts are embedded in the order of their length, so that a batch holds little
padding; each batch is committed, so a run that dies is resumed where it stopped.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from functions.index.chunks import CHUNKER
from functions.index.embedder import Embedder
from functions.index.generation import Vectors
from functions.runtime.metrics import gauge

log = logging.getLogger(__name__)
PROGRESS = gauge("index_rebuild_progress", "Share of a rebuild's new texts that are embedded")
BATCH = 1024
"""Texts between two commits."""
SLACK = 1.5
"""How many times more vectors than texts in use are kept before the others are forgotten."""


def content_key(embedder: str, text: str) -> str:
    """Return what a vector depends on, as one digest."""
    content = f"{embedder}\n{CHUNKER}\n{text}"
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class VectorCache:
    """A SQLite file beside the generations; only the holder of the builders' lock opens it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def vectors(
        self, embedder: Embedder, groups: Sequence[Sequence[str]]
    ) -> Generator[tuple[Vectors, list[bool]]]:
        """Yield of each group, once it is complete, its vectors and which had to be embedded now."""
        keys = [[content_key(embedder.digest, text) for text in group] for group in groups]
        with closing(self._open()) as database:
            known = _known(database, [key for group in keys for key in group])
            new = len({key for group in keys for key in group}) - len(known)
            run = _Run(database, embedder, known, new)
            for group, texts in zip(keys, groups, strict=True):
                fresh = [key not in known for key in group]
                run.embed(dict(zip(group, texts, strict=True)))
                shape = (len(texts), embedder.dimension)
                found = np.array([known[key] for key in group], dtype=np.float32)
                yield found.reshape(shape), fresh

    def size(self, embedder: str) -> int:
        """Return how many vectors of this embedder are kept."""
        query = "select count(*) from vectors where embedder = ?"
        with closing(self._open()) as database:
            return int(database.execute(query, (embedder,)).fetchone()[0])

    def keep(self, texts: Iterator[str], embedder: str) -> None:
        """Forget this embedder's vectors but those of `texts`."""
        keys = ((content_key(embedder, text),) for text in texts)
        with closing(self._open()) as database, database:
            database.execute("create temp table kept (key text primary key) without rowid")
            database.executemany("insert or ignore into kept values (?)", keys)
            database.execute(
                "delete from vectors where embedder = ? and key not in (select key from kept)",
                (embedder,),
            )

    def _open(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path)
        database.execute(
            "create table if not exists vectors"
            " (key text primary key, embedder text not null, vector blob not null)"
        )
        return database


class _Run:
    """Embeds what `known` lacks, and puts it there; `new` is how much that will be in all."""

    def __init__(
        self, database: sqlite3.Connection, embedder: Embedder, known: dict[str, Vectors], new: int
    ) -> None:
        self._database, self._embedder, self._known = database, embedder, known
        self._new, self._before = new, len(known)
        PROGRESS.labels().set(0 if new else 1)

    def embed(self, text_of: dict[str, str]) -> None:
        missing = [key for key in text_of if key not in self._known]
        missing.sort(key=lambda key: -len(text_of[key]))
        for start in range(0, len(missing), BATCH):
            self._batch({key: text_of[key] for key in missing[start : start + BATCH]})
            self._tell(len(self._known) - self._before)

    def _tell(self, done: int) -> None:
        PROGRESS.labels().set(done / self._new)
        log.info("%d of %d new texts are embedded", done, self._new)

    def _batch(self, text_of: dict[str, str]) -> None:
        vectors = self._embedder.embed(list(text_of.values()))
        found = dict(zip(text_of, vectors, strict=True))
        rows = [(key, self._embedder.digest, vector.tobytes()) for key, vector in found.items()]
        with self._database:
            self._database.executemany("insert or replace into vectors values (?, ?, ?)", rows)
        self._known |= found


def _known(database: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Vectors]:
    query = "select vector from vectors where key = ?"
    rows = ((key, database.execute(query, (key,)).fetchone()) for key in dict.fromkeys(keys))
    return {key: np.frombuffer(row[0], dtype=np.float32) for key, row in rows if row is not None}
