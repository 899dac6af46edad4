"""One rebuild from listing to swap, and many requests for one.

A request is answered by a rebuild that began after it came: so the last state of the bucket is
always indexed, and a burst of a hundred uploads costs two rebuilds. The requests are held open
meanwhile; one whose process dies is delivered again by the Broker.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from eventing.events import IndexRebuilt
from functions.embed_rebuild import corpus
from functions.embed_rebuild.build import build_chroma
from functions.embed_rebuild.corpus import Bucket, Corpus, Entry
from functions.embed_rebuild.vectors import VectorCache, content_key
from functions.index import generation
from functions.index.chunks import CHUNKER, Chunk, chunks
from functions.index.embedder import Embedder
from functions.index.metrics import INDEX_SIZE
from functions.index.store import IndexStore

log = logging.getLogger(__name__)
VECTORS_FILE = "vectors.sqlite"


def rebuild(
    store: IndexStore, bucket: Bucket, embedder: Embedder, now: datetime
) -> IndexRebuilt | None:
    """Build and publish a generation; None when the current one is of this very corpus.

    Raises store.Busy or store.Superseded when another process is at it, Unavailable for faults.
    """
    started = time.monotonic()
    with store.building(now) as folder:
        current = store.manifest(embedder.digest)
        entries = bucket.listing()
        if current is not None and _same(current, entries):
            INDEX_SIZE.labels().set(current.chunks)
            return None
        expected = None if current is None else current.generation
        previous = None if expected is None else store.path(expected)
        found = bucket.read(entries)
        pieces = [chunk for document in found.documents for chunk in chunks(document)]
        cache = VectorCache(store.root / VECTORS_FILE)
        vectors, embedded = cache.vectors(embedder, pieces)
        recall = build_chroma(folder, previous, pieces, vectors)
        manifest = _manifest(folder, embedder, found, (entries, len(pieces), embedded, recall), now)
        generation.write(folder, manifest, pieces, vectors)
        name = store.publish(folder, embedder.digest, expected)
        _tidy(store, cache, embedder, pieces)
    return _report(manifest, name, time.monotonic() - started)


def _same(current: generation.Manifest, entries: list[Entry]) -> bool:
    return (current.corpus, current.chunker) == (corpus.digest(entries), CHUNKER)


def _manifest(
    folder: Path,
    embedder: Embedder,
    found: Corpus,
    built: tuple[list[Entry], int, int, float],
    now: datetime,
) -> generation.Manifest:
    entries, count, embedded, recall = built
    return generation.Manifest(
        generation=folder.name.removeprefix(".building-"),
        embedder=embedder.digest,
        embedder_version=embedder.version,
        chunker=CHUNKER,
        corpus=corpus.digest(entries),
        documents=len(found.documents),
        chunks=count,
        embedded=embedded,
        recall=round(recall, 4),
        created_at=now.isoformat(timespec="seconds"),
        skipped=found.skipped,
    )


def _tidy(store: IndexStore, cache: VectorCache, embedder: Embedder, pieces: list[Chunk]) -> None:
    """Remove what is left over; a fault here must not fail a rebuild that has happened."""
    try:
        store.prune(embedder.digest)
        cache.keep([content_key(embedder.digest, piece) for piece in pieces], embedder.digest)
    except OSError:
        log.exception("old generations were not removed; the next rebuild tries again")


def _report(manifest: generation.Manifest, name: str, seconds: float) -> IndexRebuilt:
    INDEX_SIZE.labels().set(manifest.chunks)
    for skipped in manifest.skipped:
        log.warning("skipped %s: %s", skipped.document, skipped.reason)
    report = IndexRebuilt(
        generation=name,
        embedder=manifest.embedder,
        documents=manifest.documents,
        chunks=manifest.chunks,
        embedded=manifest.embedded,
        seconds=round(seconds, 3),
    )
    log.info("the index is rebuilt", extra={"fields": {"recall": manifest.recall}})
    return report


class Coalescer:
    """Runs one blocking job at a time; requests that come meanwhile share the next run."""

    def __init__(self, job: Callable[[], list[IndexRebuilt]]) -> None:
        self._job = job
        self._running: asyncio.Task[list[IndexRebuilt]] | None = None
        self._next: asyncio.Task[list[IndexRebuilt]] | None = None

    async def request(self) -> tuple[list[IndexRebuilt], bool]:
        """Return what a run that starts after now rebuilt, and whether this request caused it."""
        caused = self._next is None
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        return await asyncio.shield(self._next), caused

    async def _run(self, before: asyncio.Task[list[IndexRebuilt]] | None) -> list[IndexRebuilt]:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await asyncio.to_thread(self._job)
