"""Chroma's part of a generation: the approximate index for corpora too large for exact search.

Importing chromadb takes most of a second, so it happens in here, when it is needed. Records are
never changed: the id covers all of a chunk, so an update is a removal and an addition.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from functions.index.chunks import Chunk
from functions.index.generation import Vectors

COLLECTION = "chunks"
HNSW = {"space": "cosine", "ef_construction": 200, "ef_search": 200, "max_neighbors": 32}
"""Above Chroma's defaults (100, 100, 16): a graph that is searched wider misses less."""
BATCH = 1000


def record_ids(chunks: Sequence[Chunk]) -> list[str]:
    """Return a Chroma id for each chunk: the digest of everything that a search returns."""
    return [
        hashlib.sha256(json.dumps(asdict(chunk), sort_keys=True).encode()).hexdigest()
        for chunk in chunks
    ]


@contextmanager
def collection(path: Path) -> Iterator[Any]:
    """Open, or make, the collection in the folder `path`."""
    import chromadb  # noqa: PLC0415 - most of a second; exact search never pays it
    from chromadb.config import Settings  # noqa: PLC0415 - as above

    client = chromadb.PersistentClient(str(path), Settings(anonymized_telemetry=False))
    try:
        yield client.get_or_create_collection(
            COLLECTION, configuration={"hnsw": dict(HNSW)}, embedding_function=None
        )
    finally:
        client.close()


def reconcile(records: Any, ids: Sequence[str], vectors: Vectors) -> None:
    """Bring `records` to exactly `ids`: remove what is gone, add what is new, touch nothing else."""
    present = set(records.get(include=[])["ids"])
    gone = sorted(present - set(ids))
    for start in range(0, len(gone), BATCH):
        records.delete(ids=gone[start : start + BATCH])
    fresh = [row for row, name in enumerate(ids) if name not in present]
    for start in range(0, len(fresh), BATCH):
        rows = fresh[start : start + BATCH]
        records.add(ids=[ids[row] for row in rows], embeddings=vectors[rows])


def nearest(records: Any, queries: Vectors, count: int) -> list[list[str]]:
    """Return the ids nearest to each query, nearest first."""
    found = records.query(query_embeddings=queries, n_results=count, include=[])
    return [list(ids) for ids in found["ids"]]
