"""One rebuild: list, read and cut what changed, embed what is new, check, swap, tidy. Blocking.

Nothing is visible before the swap, and what was embedded survives a death before it; so a rebuild may
be killed anywhere, and the next one goes on.
"""

import logging
import sqlite3
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import numpy as np

from eventing.events import IndexRebuilt
from functions.embed_rebuild import corpus
from functions.embed_rebuild.build import build_chroma
from functions.embed_rebuild.corpus import Documents, Part
from functions.embed_rebuild.documents import READER
from functions.embed_rebuild.vectors import VectorCache
from functions.index import generation, sources
from functions.index.chunks import CHUNKER, Chunk, quotable
from functions.index.embedder import Embedder
from functions.index.metrics import INDEX_SIZE
from functions.index.sources import Entry
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
        parts = corpus.gather(bucket, entries, _known(store, embedder))
        cache = VectorCache(store.root / VECTORS_FILE)
        content, embedded = _embedded(cache, embedder, parts)
        recall = build_chroma(folder, previous, content.chunks, content.vectors)
        counts = (len(content.chunks), embedded, recall)
        manifest = _manifest(folder, embedder, parts, counts, now)
        sources.write(folder, [part.source for part in parts])
        generation.write(folder, manifest, content)
        name = store.publish(folder, embedder.digest, expected)
        _tidy(store, cache, embedder, content)
    return _report(manifest, name, time.monotonic() - started)


def _same(current: generation.Manifest, entries: list[Entry]) -> bool:
    built = (current.corpus, current.chunker, current.reader)
    return built == (corpus.digest(entries), CHUNKER, READER)


def _known(store: IndexStore, embedder: Embedder) -> dict[Entry, Part]:
    """Return what need not be read again; a generation that cannot be opened is no reason to fail."""
    try:
        previous = store.open(embedder.digest)
        return {} if previous is None else corpus.remembered(previous)
    except (OSError, ValueError, LookupError, TypeError):
        log.warning("the generation before cannot be read: all documents are", exc_info=True)
        return {}


def _embedded(
    cache: VectorCache, embedder: Embedder, parts: Sequence[Part]
) -> tuple[generation.Content, int]:
    """Embed; returns also how many chunks had to be embedded now."""
    pieces = tuple(chunk for part in parts for chunk in part.chunks)
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
    parts: Sequence[Part],
    counts: tuple[int, int, float],
    now: datetime,
) -> generation.Manifest:
    count, embedded, recall = counts
    return generation.Manifest(
        generation=folder.name.removeprefix(".building-"),
        embedder=embedder.digest,
        embedder_version=embedder.version,
        chunker=CHUNKER,
        corpus=corpus.digest(part.source.entry for part in parts),
        documents=sum(part.source.documents for part in parts),
        chunks=count,
        embedded=embedded,
        recall=round(recall, 4),
        created_at=now.isoformat(timespec="seconds"),
        skipped=tuple(skipped for part in parts for skipped in part.source.skipped),
        reader=READER,
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
