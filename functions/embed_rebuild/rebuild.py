"""One rebuild: list, read and cut what changed, embed what is new, check, swap, tidy. Blocking.

Nothing is visible before the swap, and what was embedded survives a death before it; so a rebuild may
be killed anywhere, and the next one goes on.
"""

import logging
import sqlite3
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from eventing.events import IndexRebuilt
from functions.embed_rebuild import content, corpus
from functions.embed_rebuild.build import build_chroma
from functions.embed_rebuild.corpus import Documents, Part
from functions.embed_rebuild.documents import READER
from functions.embed_rebuild.vectors import SLACK, VectorCache
from functions.index import chroma, generation, sources
from functions.index.chunks import CHUNKER, Chunk
from functions.index.embedder import Embedder
from functions.index.sources import Entry
from functions.index.store import IndexStore
from functions.runtime.errors import Unavailable

log = logging.getLogger(__name__)
VECTORS_FILE = "vectors.sqlite"


@dataclass(frozen=True, slots=True)
class _Built:
    """What will be published: `embedded` chunks are new, `recall` is Chroma's."""

    parts: tuple[Part, ...]
    content: generation.Content
    embedded: int
    recall: float


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
        if current is not None and _same(store, current, entries):
            return None
        built = _built(store, bucket, embedder, folder, entries)
        manifest = _manifest(folder, embedder, built, now)
        sources.write(folder, [part.source for part in built.parts])
        generation.write(folder, manifest, built.content)
        expected = None if current is None else current.generation
        name = store.publish(folder, embedder.digest, expected)
        _tidy(store, embedder, built.content)
    return _report(manifest, name, time.monotonic() - started)


def _same(store: IndexStore, current: generation.Manifest, entries: list[Entry]) -> bool:
    """Tell whether `current` is what would be built: all of it is there, and of this very corpus."""
    made = (current.corpus, current.chunker, current.reader)
    asked = (corpus.digest(entries), CHUNKER, READER)
    return made == asked and store.home.has(store.path(current.generation))


def _built(
    store: IndexStore, bucket: Documents, embedder: Embedder, folder: Path, entries: list[Entry]
) -> _Built:
    """Read, embed, and fill Chroma: its import and its work go on while something is embedded."""
    with ThreadPoolExecutor(1) as aside:
        aside.submit(chroma.load)
        previous, known = _previous(store, embedder)
        parts = corpus.gather(bucket, entries, known)
        filling: list[Future[float]] = []

        def fill(chunks: Sequence[Chunk], vectors: generation.Vectors) -> None:
            before = previous.path if previous else None
            arguments = (store.home, folder, before, chunks, vectors)
            filling.append(aside.submit(build_chroma, *arguments))

        old = previous.content if previous else None
        cache = VectorCache(store.root / VECTORS_FILE)
        found, embedded = content.build(cache, embedder, parts, old, fill)
        return _Built(parts, found, embedded, filling[0].result())


def _previous(
    store: IndexStore, embedder: Embedder
) -> tuple[generation.Generation | None, dict[Entry, Part]]:
    """Return what need not be read again; a generation that cannot be opened is no reason to fail."""
    try:
        previous = store.open(embedder.digest)
        return previous, {} if previous is None else corpus.remembered(previous)
    except (OSError, ValueError, LookupError, TypeError):
        log.warning("the generation before cannot be read: all documents are", exc_info=True)
        return None, {}


def _manifest(
    folder: Path, embedder: Embedder, built: _Built, now: datetime
) -> generation.Manifest:
    found = [part.source for part in built.parts]
    return generation.Manifest(
        generation=generation.name_of(folder),
        embedder=embedder.digest,
        embedder_version=embedder.version,
        chunker=CHUNKER,
        corpus=corpus.digest(source.entry for source in found),
        documents=sum(source.documents for source in found),
        chunks=len(built.content.chunks),
        embedded=built.embedded,
        recall=round(built.recall, 4),
        created_at=now.isoformat(timespec="seconds"),
        skipped=tuple(skipped for source in found for skipped in source.skipped),
        reader=READER,
    )


def _tidy(store: IndexStore, embedder: Embedder, found: generation.Content) -> None:
    """Remove what is left over; a fault here must not fail a rebuild that has happened."""
    try:
        store.prune(embedder.digest)
        cache = VectorCache(store.root / VECTORS_FILE)
        used = len(found.chunks) + len(found.sentences)
        if cache.size(embedder.digest) > SLACK * used:
            cache.keep(content.texts(found.chunks), embedder.digest)
    except (OSError, sqlite3.Error, Unavailable):
        log.exception("old generations were not removed; the next rebuild tries again")


def _report(manifest: generation.Manifest, name: str, seconds: float) -> IndexRebuilt:
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
