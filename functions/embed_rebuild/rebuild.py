"""One rebuild: list, read, cut, embed what is new, check, swap, tidy. Blocking.

Nothing is visible before the swap, and what was embedded survives a death before it; so a rebuild may
be killed anywhere, and the next one goes on.
"""

import logging
import sqlite3
import time
from datetime import datetime
from pathlib import Path

import numpy as np

from eventing.events import IndexRebuilt
from functions.embed_rebuild import corpus
from functions.embed_rebuild.build import build_chroma
from functions.embed_rebuild.corpus import Corpus, Documents, Entry
from functions.embed_rebuild.vectors import VectorCache
from functions.index import generation
from functions.index.chunks import CHUNKER, Chunk, chunks, quotable
from functions.index.embedder import Embedder
from functions.index.metrics import INDEX_SIZE
from functions.index.store import IndexStore

log = logging.getLogger(__name__)
VECTORS_FILE = "vectors.sqlite"


def rebuild(
    store: IndexStore, bucket: Documents, embedder: Embedder, now: datetime
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
        found = corpus.read(bucket, entries)
        cache = VectorCache(store.root / VECTORS_FILE)
        content, embedded = _embedded(cache, embedder, found)
        recall = build_chroma(folder, previous, content.chunks, content.vectors)
        counts = (len(content.chunks), embedded, recall)
        manifest = _manifest(folder, embedder, (entries, found), counts, now)
        generation.write(folder, manifest, content)
        name = store.publish(folder, embedder.digest, expected)
        _tidy(store, cache, embedder, content)
    return _report(manifest, name, time.monotonic() - started)


def _same(current: generation.Manifest, entries: list[Entry]) -> bool:
    return (current.corpus, current.chunker) == (corpus.digest(entries), CHUNKER)


def _embedded(
    cache: VectorCache, embedder: Embedder, found: Corpus
) -> tuple[generation.Content, int]:
    """Cut and embed; returns also how many chunks had to be embedded now."""
    pieces = tuple(chunk for document in found.documents for chunk in chunks(document))
    counts, texts = _texts(pieces)
    vectors, fresh = cache.vectors(embedder, texts)
    borders = np.concatenate(([0], np.cumsum(counts))).astype(np.int64)
    content = generation.Content(
        chunks=pieces,
        vectors=vectors[: len(pieces)],
        borders=borders,
        sentences=vectors[len(pieces) :].astype(np.float16),
    )
    return content, sum(fresh[: len(pieces)])


def _texts(pieces: tuple[Chunk, ...]) -> tuple[list[int], list[str]]:
    """Return how many sentences each chunk has, and all that is embedded: chunks, then sentences."""
    spans = [quotable(chunk) for chunk in pieces]
    quotes = [
        chunk.text[span.start - chunk.start : span.end - chunk.start]
        for chunk, found in zip(pieces, spans, strict=True)
        for span in found
    ]
    return [len(found) for found in spans], [chunk.embedded_text for chunk in pieces] + quotes


def _manifest(
    folder: Path,
    embedder: Embedder,
    source: tuple[list[Entry], Corpus],
    counts: tuple[int, int, float],
    now: datetime,
) -> generation.Manifest:
    entries, found = source
    count, embedded, recall = counts
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


def _tidy(
    store: IndexStore, cache: VectorCache, embedder: Embedder, content: generation.Content
) -> None:
    """Remove what is left over; a fault here must not fail a rebuild that has happened."""
    try:
        store.prune(embedder.digest)
        cache.keep(_texts(content.chunks)[1], embedder.digest)
    except (OSError, sqlite3.Error):
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
