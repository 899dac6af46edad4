"""Chroma: the approximate index for corpora too large for exact search.

Importing chromadb takes most of a second, so it happens in here, when it is needed. Records are
never changed: the id covers all of a chunk, so an update is a removal and an addition.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from functions.index.chunks import Chunk
from functions.index.generation import Vectors
from functions.runtime.errors import ApiError, Unavailable

COLLECTION = "chunks"
HNSW = {"space": "cosine", "ef_construction": 100, "ef_search": 200, "max_neighbors": 32}
"""Wider than Chroma's defaults (100, 100, 16): a graph that is searched wider misses less."""
BATCH = 1000
TIMEOUT = 60.0
"""Seconds for one answer of a server; chromadb itself would wait for ever."""


def load() -> None:
    """Import chromadb, so that whoever needs it later does not wait for that."""
    import chromadb  # noqa: F401, PLC0415 - most of a second; exact search never pays it


def record_ids(chunks: Sequence[Chunk]) -> list[str]:
    """Return a Chroma id for each chunk: the digest of everything that a search returns."""
    return [
        hashlib.sha256(json.dumps(chunk.fields(), sort_keys=True).encode()).hexdigest()
        for chunk in chunks
    ]


@contextmanager
def embedded(path: Path) -> Iterator[Any]:
    """Open Chroma's folder `path`, or make it."""
    import chromadb  # noqa: PLC0415 - see load
    from chromadb.config import Settings  # noqa: PLC0415 - see load

    with _translated():
        client = chromadb.PersistentClient(str(path), Settings(anonymized_telemetry=False))
    with client:
        yield client


@contextmanager
def server(url: str, timeout: float = TIMEOUT) -> Iterator[Any]:
    """Speak to the Chroma server at `url`."""
    import chromadb  # noqa: PLC0415 - see load
    from chromadb.config import Settings  # noqa: PLC0415 - see load

    parts, settings = urlsplit(url), Settings(anonymized_telemetry=False)
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    with _translated():
        client = chromadb.HttpClient(parts.hostname or "", port, ssl=secure, settings=settings)
    with client, ExitStack() as ends:
        for session in _sessions(client):
            session.timeout = timeout
            ends.callback(session.close)
        yield client


def _sessions(client: Any) -> list[Any]:
    """Return the HTTP sessions of a client, which chromadb gives no time-out and never ends."""
    return [part._server._session for part in (client, client._admin_client)]  # noqa: SLF001 - see above


@contextmanager
def _translated() -> Iterator[None]:
    """Make Unavailable of whatever Chroma raises: its own errors, httpx's, ValueError, Exception."""
    try:
        yield
    except (ApiError, OSError):
        raise
    except Exception as error:
        message = f"Chroma does not do its part: {type(error).__name__}: {error}"
        raise Unavailable(message[:300], retry_after=2) from error


@_translated()
def collection(client: Any, name: str) -> Any:
    """Open the collection `name`, or make it."""
    return client.get_or_create_collection(
        name, configuration={"hnsw": dict(HNSW)}, embedding_function=None
    )


@_translated()
def existing(client: Any, name: str) -> Any:
    """Open the collection `name`."""
    return client.get_collection(name, embedding_function=None)


@_translated()
def exists(client: Any, name: str) -> bool:
    """Tell whether there is a collection `name`."""
    from chromadb.errors import NotFoundError  # noqa: PLC0415 - see load

    try:
        client.get_collection(name, embedding_function=None)
    except NotFoundError:
        return False
    return True


@_translated()
def drop(client: Any, name: str) -> None:
    """Remove the collection `name`, if it is there."""
    if exists(client, name):
        client.delete_collection(name)


@_translated()
def present(records: Any) -> list[str]:
    """Return the ids of all records."""
    found: list[str] = records.get(include=[])["ids"]
    return found


@_translated()
def reconcile(records: Any, ids: Sequence[str], vectors: Vectors) -> None:
    """Bring `records` to exactly `ids`: remove what is gone, add what is new, touch nothing else."""
    before = set(present(records))
    gone = sorted(before - set(ids))
    for start in range(0, len(gone), BATCH):
        records.delete(ids=gone[start : start + BATCH])
    fresh = [row for row, name in enumerate(ids) if name not in before]
    for start in range(0, len(fresh), BATCH):
        rows = fresh[start : start + BATCH]
        records.add(ids=[ids[row] for row in rows], embeddings=vectors[rows])


@_translated()
def nearest(records: Any, queries: Vectors, count: int) -> list[list[str]]:
    """Return the ids nearest to each query, nearest first."""
    found = records.query(query_embeddings=queries, n_results=count, include=[])
    return [list(ids) for ids in found["ids"]]
