"""The documents in the bucket: their state in one digest, and their contents.

The digest is over keys and ETags, so a rebuild that finds nothing changed ends after the listing.
"""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from functions.embed_rebuild.documents import parse
from functions.index.chunks import Document
from functions.index.generation import Skipped
from functions.runtime.errors import Unavailable

PARALLEL = 8
GONE = ("NoSuchKey", "404")
LARGEST = 32 << 20
"""Bytes of one object; a larger one is skipped, it would not fit beside the model."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One object as the listing shows it."""

    key: str
    etag: str
    size: int


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything that could be read, in the order of the keys, and what could not."""

    documents: tuple[Document, ...]
    skipped: tuple[Skipped, ...]


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


def read(store: Documents, entries: list[Entry]) -> Corpus:
    """Fetch and parse; an object that vanished since the listing is left out."""

    def one(entry: Entry) -> tuple[list[Document], list[Skipped]]:
        if entry.size > LARGEST:
            return [], [Skipped(entry.key, f"it is larger than {LARGEST} bytes")]
        body = store.fetch(entry)
        return ([], []) if body is None else parse(entry.key, body)

    with ThreadPoolExecutor(PARALLEL) as pool:
        parts = list(pool.map(one, entries))
    documents = tuple(document for found, _ in parts for document in found)
    return Corpus(documents, tuple(skipped for _, missed in parts for skipped in missed))


def digest(entries: list[Entry]) -> str:
    """Return the state of the corpus: equal when no document came, went or changed."""
    state = hashlib.sha256()
    for entry in entries:
        state.update(f"{entry.key}\n{entry.etag}\n".encode())
    return f"sha256:{state.hexdigest()}"
