"""Chunks and vectors → a checked generation folder; nothing here makes it current.

A generation is refused unless every chunk is in Chroma exactly once and Chroma finds what exact
search finds. Where its collection started as a copy of the one before and searches badly, it is
built from nothing.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from functions.index import chroma
from functions.index.chunks import Chunk
from functions.index.generation import Vectors
from functions.index.homes import Home
from functions.runtime.errors import Unavailable

RECALL_FLOOR = 0.95
NEIGHBOURS, SAMPLES = 10, 200
TOGETHER = 20
"""Queries that are compared with all vectors at once: quicker than one by one, and little memory."""
NOISE = 0.3
"""Length of what is added to a chunk's unit vector to make a query: near it, yet not it."""


def build_chroma(
    home: Home, folder: Path, previous: Path | None, chunks: Sequence[Chunk], vectors: Vectors
) -> float:
    """Fill the collection of `folder` and return its recall; raises Unavailable when it is too low."""
    found = _fill(home, folder, previous, chunks, vectors)
    if found < RECALL_FLOOR and previous is not None:
        home.drop(folder)
        found = _fill(home, folder, None, chunks, vectors)
    if found < RECALL_FLOOR:
        raise Unavailable(f"the new index was refused: its recall@{NEIGHBOURS} is {found:.3f}")
    return found


def _fill(
    home: Home, folder: Path, previous: Path | None, chunks: Sequence[Chunk], vectors: Vectors
) -> float:
    ids = chroma.record_ids(chunks)
    with home.create(folder, previous) as records:
        chroma.reconcile(records, ids, vectors)
        present = sorted(chroma.present(records))
        if present != sorted(ids):
            raise Unavailable(f"the new index was refused: {len(present)} of {len(ids)} chunks")
        return recall(records, ids, vectors) if ids else 1.0


def recall(records: Any, ids: Sequence[str], vectors: Vectors) -> float:
    """Return the share of the exactly nearest that Chroma returns, over sampled queries.

    An answer as near as the last of the exact ones counts: among equals the order is chance.
    """
    count = min(NEIGHBOURS, len(ids))
    queries = _queries(vectors)
    row_of = {name: row for row, name in enumerate(ids)}
    hits, answers = 0, chroma.nearest(records, queries, count)
    for start in range(0, len(queries), TOGETHER):
        nearness = vectors @ queries[start : start + TOGETHER].T
        least = np.partition(nearness, -count, axis=0)[-count] - 1e-5
        for place, names in enumerate(answers[start : start + TOGETHER]):
            rows = [row_of[name] for name in names]
            hits += int(np.count_nonzero(nearness[rows, place] >= least[place]))
    return hits / (count * len(queries))


def _queries(vectors: Vectors) -> Vectors:
    random = np.random.default_rng(0)  # the same corpus is judged the same way every time
    rows = random.permutation(len(vectors))[:SAMPLES]
    noise = random.normal(size=(len(rows), vectors.shape[1]))
    noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
    queries = vectors[rows] + noise
    normalised: Vectors = (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(
        np.float32
    )
    return normalised
