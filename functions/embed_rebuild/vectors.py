"""Vectors that were computed once, by content key: no text meets the same embedder twice.

The key covers embedder, chunker and text, so a new embedder or chunker finds nothing here and
embeds everything. Each batch is committed, so a run that dies is resumed where it stopped.
"""

import hashlib
import logging
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from functions.index.chunks import CHUNKER
from functions.index.embedder import Embedder
from functions.index.generation import Vectors
from functions.runtime.metrics import gauge

log = logging.getLogger(__name__)
PROGRESS = gauge("index_rebuild_progress", "Share of a rebuild's new texts that are embedded")
BATCH = 256
"""Texts between two commits."""


def content_key(embedder: str, text: str) -> str:
    """Return what a vector depends on, as one digest."""
    content = f"{embedder}\n{CHUNKER}\n{text}"
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


class VectorCache:
    """A SQLite file beside the generations; only the holder of the builders' lock opens it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def vectors(self, embedder: Embedder, texts: Sequence[str]) -> tuple[Vectors, list[bool]]:
        """Return one vector a text, and of each text whether it had to be embedded now."""
        keys = [content_key(embedder.digest, text) for text in texts]
        text_of = dict(zip(keys, texts, strict=True))
        with closing(self._open()) as database:
            known = _known(database, keys)
            fresh = [key not in known for key in keys]
            missing = [key for key in text_of if key not in known]
            for start in range(0, len(missing), BATCH):
                log.info("embedding %d of %d new texts", start, len(missing))
                PROGRESS.labels().set(start / len(missing))
                known |= _embed(database, embedder, text_of, missing[start : start + BATCH])
        PROGRESS.labels().set(1)
        shape = (len(texts), embedder.dimension)
        return np.array([known[key] for key in keys], dtype=np.float32).reshape(shape), fresh

    def keep(self, texts: Iterable[str], embedder: str) -> None:
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
            " (key text primary key, embedder text not null, vector blob not null) without rowid"
        )
        return database


def _known(database: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Vectors]:
    query = "select vector from vectors where key = ?"
    rows = ((key, database.execute(query, (key,)).fetchone()) for key in dict.fromkeys(keys))
    return {key: np.frombuffer(row[0], dtype=np.float32) for key, row in rows if row is not None}


def _embed(
    database: sqlite3.Connection, embedder: Embedder, texts: dict[str, str], keys: Sequence[str]
) -> dict[str, Vectors]:
    fresh = dict(zip(keys, embedder.embed([texts[key] for key in keys]), strict=True))
    rows = [(key, embedder.digest, vector.tobytes()) for key, vector in fresh.items()]
    with database:
        database.executemany("insert or replace into vectors values (?, ?, ?)", rows)
    return fresh
