"""Which chunks are near a question: from the current generation, which may change at any time.

Up to 50,000 chunks the vectors are compared exactly, out of a memory map: a few milliseconds, nothing
missed, and no import of chromadb in a cold start. Above, Chroma searches. Where Chroma does not
answer, a question is answered by exact search all the same: more slowly, never less well.
"""

import logging
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.index import chroma
from functions.index.chunks import Chunk, quotable
from functions.index.generation import Generation, Vectors
from functions.index.homes import Home
from functions.index.store import IndexStore, Stamp
from functions.inference.schema import Filters
from functions.inference.score import Sentence
from functions.runtime.errors import Unavailable

log = logging.getLogger(__name__)
MOST_EXACT = 50_000
OVERFETCH = 4
"""How many times more Chroma is asked for when filters will take some away."""


@dataclass(frozen=True, slots=True)
class Searcher:
    """One opened generation; `close` lets go of what the search holds."""

    generation: Generation
    method: str
    rank: Callable[[Vectors, int, Filters], list[int]]
    close: Callable[[], None]

    def search(self, query: Vectors, count: int, filters: Filters) -> list[Sentence]:
        """Return the sentences of the nearest chunks that pass the filters, nearest chunk first."""
        rows = self.rank(query, count, filters)
        return [sentence for row in rows for sentence in self._sentences(row)]

    def _sentences(self, row: int) -> list[Sentence]:
        content = self.generation.content
        chunk, vector = content.chunks[row], content.vectors[row]
        first = int(content.borders[row])
        return [
            Sentence(
                chunk=chunk,
                start=span.start,
                end=span.end,
                text=chunk.text[span.start - chunk.start : span.end - chunk.start],
                vector=content.sentences[first + place].astype(np.float32),
                chunk_vector=vector,
            )
            for place, span in enumerate(quotable(chunk))
        ]


class Index:
    """The current generation for one embedder, opened again when another becomes current."""

    def __init__(self, store: IndexStore, embedder: str, search: str) -> None:
        self._store, self._embedder, self._search = store, embedder, search
        self._lock = threading.Lock()
        self._stamp: Stamp | None = None
        self._searcher: Searcher | None = None
        self._retired: Searcher | None = None

    def searcher(self) -> Searcher | None:
        """Return the current generation; None before the first. Costs one `stat`, or an opening.

        Blocking. The one before stays open until the next change: a request may be in the middle
        of it.
        """
        if self._store.stamp(self._embedder) != self._stamp:
            with self._lock:
                self._refresh()
        return self._searcher

    def close(self) -> None:
        """Let go of what is open."""
        for searcher in (self._searcher, self._retired):
            if searcher is not None:
                searcher.close()

    def _refresh(self) -> None:
        stamp = self._store.stamp(self._embedder)
        if stamp == self._stamp:
            return
        generation = self._store.open(self._embedder)
        fresh = (
            None if generation is None else _searcher(generation, self._store.home, self._search)
        )
        if self._retired is not None:
            self._retired.close()
        self._retired, self._searcher, self._stamp = self._searcher, fresh, stamp


def passes(chunk: Chunk, filters: Filters) -> bool:
    """Tell whether the chunk's document is one of those that the filters name."""
    if filters.source and chunk.source != filters.source:
        return False
    if filters.tags and not set(filters.tags) & set(chunk.tags):
        return False
    return _in_time(chunk.date, filters)


def _in_time(date: str, filters: Filters) -> bool:
    """Compare dates; a bound may be the beginning of one: up to `2024` is that whole year."""
    if not date:
        return not (filters.date_from or filters.date_to)
    return date >= filters.date_from and (
        not filters.date_to or date[: len(filters.date_to)] <= filters.date_to
    )


def _searcher(generation: Generation, home: Home, search: str) -> Searcher:
    small = generation.manifest.chunks <= MOST_EXACT
    exact = Searcher(generation, "exact", _exact(generation), lambda: None)
    if search == "exact" or (search == "auto" and small) or not generation.content.chunks:
        return exact
    stack = ExitStack()
    try:
        records = stack.enter_context(home.open(generation.path))
    except (Unavailable, OSError) as error:
        log.warning("all vectors are compared until the next generation: %s", error)
        return exact
    return Searcher(generation, "chroma", _approximate(generation, records), stack.close)


def _exact(generation: Generation) -> Callable[[Vectors, int, Filters], list[int]]:
    def rank(query: Vectors, count: int, filters: Filters) -> list[int]:
        allowed = _allowed(generation, filters)
        similarities = generation.content.vectors[allowed] @ query
        return [int(row) for row in allowed[np.argsort(-similarities, kind="stable")[:count]]]

    return rank


def _allowed(generation: Generation, filters: Filters) -> NDArray[np.int64]:
    if filters == Filters():
        return np.arange(len(generation.content.chunks))
    rows = [row for row, chunk in enumerate(generation.content.chunks) if passes(chunk, filters)]
    return np.array(rows, dtype=np.int64)


def _approximate(
    generation: Generation, records: Any
) -> Callable[[Vectors, int, Filters], list[int]]:
    row_of = {name: row for row, name in enumerate(chroma.record_ids(generation.content.chunks))}
    exact = _exact(generation)

    def nearest(query: Vectors, count: int) -> list[int]:
        wanted = min(count, len(row_of))
        return [row_of[name] for name in chroma.nearest(records, query[None], wanted)[0]]

    def rank(query: Vectors, count: int, filters: Filters) -> list[int]:
        try:
            if filters == Filters():
                return nearest(query, count)
            rows = nearest(query, count * OVERFETCH)
        except Unavailable as error:
            log.warning("all vectors are compared: %s", error)
            return exact(query, count, filters)
        kept = [row for row in rows if passes(generation.content.chunks[row], filters)][:count]
        return kept if len(kept) == count else exact(query, count, filters)

    return rank
