"""Chunks and vectors → a checked generation folder; nothing here makes it current.

A generation is refused unless every chunk is in Chroma exactly once and Chroma finds what exact
search finds. Chroma's folder starts as a copy of the generation before, since adding what is new is
many times faster than adding everything; if that copy searches badly, it is built from nothing.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from functions.index import chroma
from functions.index.chunks import Chunk
from functions.index.generation import CHROMA, Vectors
from functions.runtime.errors import Unavailable

RECALL_FLOOR = 0.95
NEIGHBOURS, SAMPLES = 10, 200
NOISE = 0.3
"""Length of what is added to a chunk's unit vector to make a query: near it, yet not it."""


def build_chroma(
    folder: Path, previous: Path | None, chunks: Sequence[Chunk], vectors: Vectors
) -> float:
    """Fill `folder`/chroma and return its recall; raises Unavailable when it is not good enough."""
    target = folder / CHROMA
    if previous is not None and (previous / CHROMA).is_dir():
        shutil.copytree(previous / CHROMA, target)
        found = _fill(target, chunks, vectors)
        if found >= RECALL_FLOOR:
            return found
        shutil.rmtree(target)
    found = _fill(target, chunks, vectors)
    if found < RECALL_FLOOR:
        raise Unavailable(f"the new index was refused: its recall@{NEIGHBOURS} is {found:.3f}")
    return found


def _fill(target: Path, chunks: Sequence[Chunk], vectors: Vectors) -> float:
    ids = chroma.record_ids(chunks)
    with chroma.collection(target) as records:
        chroma.reconcile(records, ids, vectors)
        present = sorted(records.get(include=[])["ids"])
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
    hits = 0
    for query, names in zip(queries, chroma.nearest(records, queries, count), strict=True):
        nearness = vectors @ query
        last = np.partition(nearness, -count)[-count]
        hits += sum(bool(nearness[row_of[name]] >= last - 1e-5) for name in names)
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
