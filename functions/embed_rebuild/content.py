"""Parts of the corpus → what is searched: vectors of unchanged parts are taken over, the rest embedded.

Chunks are embedded before sentences, and are handed on the moment they are complete: Chroma can be
filled while the sentences are still being embedded.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import numpy as np

from functions.embed_rebuild.corpus import Part
from functions.embed_rebuild.vectors import VectorCache
from functions.index.chunks import Chunk, quotable
from functions.index.embedder import Embedder
from functions.index.generation import Content, Vectors

Early = Callable[[tuple[Chunk, ...], Vectors], None]


class _Rows(NamedTuple):
    """Rows `start` up to `end` of what the generation before knows, or of what is new."""

    known: bool
    start: int
    end: int


def build(
    cache: VectorCache,
    embedder: Embedder,
    parts: Sequence[Part],
    previous: Content | None,
    early: Early,
) -> tuple[Content, int]:
    """Return the content, and how many chunks had to be embedded now."""
    pieces = tuple(chunk for part in parts for chunk in part.chunks)
    new = [chunk for part in parts if part.place is None for chunk in part.chunks]
    quotes = [quotes_of(chunk) for chunk in new]
    groups = ([chunk.embedded_text for chunk in new], [one for found in quotes for one in found])
    rows = list(_rows(parts))
    with closing(cache.vectors(embedder, groups)) as found:
        fresh_vectors, fresh = next(found)
        old = previous or Content((), fresh_vectors, _borders([]), np.empty(0, dtype=np.float16))
        vectors = _joined(rows, old.vectors, fresh_vectors)
        early(pieces, vectors)
        sentences, _ = next(found)
    borders = _borders([len(found) for found in quotes])
    counts = _joined(rows, np.diff(old.borders), np.diff(borders))
    quoted = [_sentence_rows(row, old.borders if row.known else borders) for row in rows]
    joined = _joined(quoted, old.sentences, sentences.astype(np.float16))
    return Content(pieces, vectors, _borders(counts), joined), sum(fresh)


def quotes_of(chunk: Chunk) -> list[str]:
    """Return the sentences of a chunk that may be quoted."""
    return [
        chunk.text[span.start - chunk.start : span.end - chunk.start] for span in quotable(chunk)
    ]


def texts(chunks: Sequence[Chunk]) -> Iterator[str]:
    """Yield all that is embedded for `chunks`."""
    for chunk in chunks:
        yield chunk.embedded_text
        yield from quotes_of(chunk)


def _rows(parts: Sequence[Part]) -> Iterator[_Rows]:
    used = 0
    for part in parts:
        count = len(part.chunks)
        if part.place is not None:
            yield _Rows(known=True, start=part.place, end=part.place + count)
        else:
            yield _Rows(known=False, start=used, end=used + count)
            used += count


def _sentence_rows(row: _Rows, borders: Any) -> _Rows:
    return _Rows(row.known, int(borders[row.start]), int(borders[row.end]))


def _joined(rows: Sequence[_Rows], known: Any, fresh: Any) -> Any:
    """Put the rows of both one after the other."""
    return np.concatenate(
        [fresh[:0], *((known if row.known else fresh)[row.start : row.end] for row in rows)]
    )


def _borders(counts: Any) -> Any:
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
