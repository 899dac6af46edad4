"""The documents in the bucket: their state in one digest, and their contents as chunks.

The digest is over keys and ETags, so a rebuild that finds nothing changed ends after the listing; an
object with the ETag and size that the generation before knows is neither fetched nor parsed again.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from functions.embed_rebuild.documents import READER, parse
from functions.index import sources
from functions.index.chunks import CHUNKER, Chunk, chunks
from functions.index.generation import Generation, Skipped
from functions.index.sources import Entry, Source
from functions.runtime.errors import Unavailable
from functions.runtime.metrics import counter

OBJECTS = counter(
    "index_objects",
    "Objects of the bucket that went into generations, read or unchanged",
    ("result",),
)
PARALLEL = 8
GONE = ("NoSuchKey", "404")
LARGEST = 32 << 20
"""Bytes of one object; a larger one is skipped, it would not fit beside the model."""


@dataclass(frozen=True, slots=True)
class Part:
    """An object of the bucket, and the chunks of its documents.

    `place` is the row of its first chunk in the generation that knew it; None for what was read now.
    """

    source: Source
    chunks: tuple[Chunk, ...]
    place: int | None = None


class Documents(Protocol):
    """Where documents are: they are listed, and fetched one by one. Blocking."""

    def listing(self) -> list[Entry]:
        """List the documents, by key."""
        ...

    def fetch(self, entry: Entry) -> bytes | None:
        """Return a document; None when it vanished since the listing."""
        ...


class Bucket:
    """The bucket's documents. Blocking; a fault of the store is Unavailable."""

    def __init__(self, name: str, prefix: str, client: Any = None) -> None:
        self.name, self.prefix = name, prefix
        self._s3 = client or boto3.client("s3")

    def listing(self) -> list[Entry]:
        """List the documents, by key; folders' placeholders are left out."""
        pages = self._s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=self.prefix
        )
        try:
            return sorted(
                (
                    Entry(item["Key"], item["ETag"], item["Size"])
                    for page in pages
                    for item in page.get("Contents", [])
                    if not item["Key"].endswith("/")
                ),
                key=lambda entry: entry.key,
            )
        except (ClientError, BotoCoreError) as error:
            raise Unavailable(f"cannot list s3://{self.name}/{self.prefix}: {error}") from error

    def fetch(self, entry: Entry) -> bytes | None:
        """Return the object; None when it vanished since the listing."""
        try:
            body: bytes = self._s3.get_object(Bucket=self.name, Key=entry.key)["Body"].read()
        except (ClientError, BotoCoreError) as error:
            if isinstance(error, ClientError) and error.response["Error"]["Code"] in GONE:
                return None
            raise Unavailable(f"cannot read s3://{self.name}/{entry.key}: {error}") from error
        return body


def remembered(previous: Generation) -> dict[Entry, Part]:
    """Return what a generation knows of its objects; nothing if they would be read differently now."""
    manifest = previous.manifest
    if (manifest.reader, manifest.chunker) != (READER, CHUNKER):
        return {}
    known, place = dict[Entry, Part](), 0
    for source in sources.read(previous.path):
        end = place + source.chunks
        known[source.entry] = Part(source, previous.content.chunks[place:end], place)
        place = end
    return known


def gather(
    store: Documents, entries: Sequence[Entry], known: Mapping[Entry, Part]
) -> tuple[Part, ...]:
    """Return the parts in the order of `entries`: what is not known is fetched, parsed and cut.

    An object that vanished since the listing is left out.
    """

    def one(entry: Entry) -> Part | None:
        return known.get(entry) or _read(store, entry)

    with ThreadPoolExecutor(PARALLEL) as pool:
        parts = tuple(part for part in pool.map(one, entries) if part is not None)
    reused = sum(part.place is not None for part in parts)
    OBJECTS.labels(result="unchanged").inc(reused)
    OBJECTS.labels(result="read").inc(len(parts) - reused)
    return parts


def digest(entries: Iterable[Entry]) -> str:
    """Return the state of the corpus: equal when no document came, went or changed."""
    state = hashlib.sha256()
    for entry in entries:
        state.update(f"{entry.key}\n{entry.etag}\n".encode())
    return f"sha256:{state.hexdigest()}"


def _read(store: Documents, entry: Entry) -> Part | None:
    if entry.size > LARGEST:
        skip = Skipped(entry.key, f"it is larger than {LARGEST} bytes")
        return Part(Source(entry, 0, 0, (skip,)), ())
    body = store.fetch(entry)
    if body is None:
        return None
    documents, skipped = parse(entry.key, body)
    pieces = tuple(chunk for document in documents for chunk in chunks(document))
    return Part(Source(entry, len(documents), len(pieces), tuple(skipped)), pieces)
