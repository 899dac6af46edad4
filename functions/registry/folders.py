"""Folders of objects below one prefix of a bucket: files go up and come down whole, or not at all.

A folder counts only once its last object is there, the one that lists the others; which that is,
its owner knows: the manifest of a release, the list of an index's backup.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.exceptions import BotoCoreError, ClientError

from functions.registry.download import PIECE, WORKERS, download
from functions.registry.errors import Cut, ObjectMissing, Refused, StoreUnavailable
from functions.registry.faults import told
from functions.registry.manifest import FileEntry
from functions.registry.ranges import Journal, Range, split
from functions.registry.wire import stream

PART, LEAST_PART = 32 << 20, 8 << 20
"""How much is asked for at once: much of a large file, and of a small one little enough that its
beginning is hashed while the rest comes."""


class Folders:
    """The folders under `root`. Calls block: run them in a thread."""

    def __init__(self, client: Any, bucket: str, root: str) -> None:
        self._client = client
        self._root = root
        self.bucket = bucket

    def uri(self, folder: str) -> str:
        """Return where a folder is: `s3://bucket/models/ner-v1.1.0`."""
        return f"s3://{self.bucket}/{self._root}/{folder}"

    def names(self) -> Iterator[str]:
        """List the folders, whole or not."""
        pages = self._client.get_paginator("list_objects_v2")
        with told(self._root):
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{self._root}/", Delimiter="/"):
                for found in page.get("CommonPrefixes", []):
                    yield found["Prefix"].removeprefix(f"{self._root}/").rstrip("/")

    def read(self, folder: str, path: str, limit: int) -> bytes:
        """Return up to `limit` bytes of an object; ObjectMissing when it is not there (yet)."""
        key = self._key(folder, path)
        with told(key):
            body = self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
            content: bytes = body.read(limit)
        return content

    def put(self, folder: str, path: str, document: bytes, *, again: bool) -> None:
        """Put a JSON document; ObjectReplaced when it is there, unless it is put `again`."""
        key = self._key(folder, path)
        with told(key):
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=document,
                ContentType="application/json",
                **({} if again else {"IfNoneMatch": "*"}),
            )

    def has(self, folder: str, path: str) -> bool:
        """Tell whether an object is there."""
        try:
            self._head(self._key(folder, path), {})
        except ObjectMissing:
            return False
        return True

    def fetch(self, folder: str, entry: FileEntry, target: Path, notes: Path) -> str:
        """Bring one file to `target`, going on where `notes` says it stopped; return its sha256."""
        key = self._key(folder, entry.path)
        pin = {"VersionId": entry.version_id} if entry.version_id else {}
        head = self._head(key, pin)
        if head["ContentLength"] != entry.size:
            reason = f"{entry.path} has {head['ContentLength']} bytes, not {entry.size}"
            raise Refused(reason, "wrong_size")
        journal = Journal(notes, target, head["ETag"], entry.size)
        ask = partial(self._pieces, key, {"IfMatch": head["ETag"], **pin})
        part = min(PART, max(LEAST_PART, entry.size // (2 * WORKERS)))
        return download(ask, journal, split(entry.size, part))

    def stored(self, folder: str, entry: FileEntry) -> FileEntry | None:
        """Return the entry with the version under which this very file was uploaded; None if not.

        What was noted of its hash is believed: only who fetches it has to know.
        """
        pin = {"VersionId": entry.version_id} if entry.version_id else {}
        try:
            head = self._head(self._key(folder, entry.path), pin)
        except ObjectMissing:
            return None
        fits = head["ContentLength"] == entry.size
        if not fits or head["Metadata"].get("sha256") != entry.sha256:
            return None
        version = head.get("VersionId")
        # S3 calls what was put before a bucket had versions "null".
        return replace(entry, version_id=None if version == "null" else version)

    def upload(
        self, folder: str, entry: FileEntry, source: Path, progress: Callable[[int], None]
    ) -> None:
        """Put one file; `progress` is called with the bytes that went out."""
        key = self._key(folder, entry.path)
        with told(key):
            self._client.upload_file(
                str(source),
                self.bucket,
                key,
                Callback=progress,
                Config=TransferConfig(multipart_chunksize=PART, multipart_threshold=PART),
                ExtraArgs={"Metadata": {"sha256": entry.sha256}},
            )

    def remove(self, folder: str, last: str) -> None:
        """Delete a folder: what was put last goes first, so that from then on it does not exist."""
        keys = [self._key(folder, last), *self._keys(self._key(folder, ""))]
        with told(folder):
            for key in keys:
                self._client.delete_object(Bucket=self.bucket, Key=key)

    def _key(self, folder: str, path: str) -> str:
        return f"{self._root}/{folder}/{path}"

    def _pieces(self, key: str, condition: Mapping[str, str], part: Range) -> Iterator[memoryview]:
        with told(key):
            answer = self._client.get_object(
                Bucket=self.bucket, Key=key, Range=part.header, **condition
            )
            left = part.size
            with closing(answer["Body"]) as body:
                if answer["ContentLength"] != part.size:
                    raise StoreUnavailable(f"{key}: asked for {part.header}, got something else")
                for piece in stream(body, part.size, PIECE):
                    left -= len(piece)
                    yield piece
        if left:
            raise Cut(f"{key}: {left} bytes of {part.header} did not come")

    def _head(self, key: str, pin: Mapping[str, str]) -> Mapping[str, Any]:
        """Ask for an object's size and tag; a refusal without a reason is asked for its reason."""
        try:
            answer: Mapping[str, Any] = self._client.head_object(Bucket=self.bucket, Key=key, **pin)
        except ClientError:
            # An answer to HEAD has no body, so a bucket that is gone looks like a missing object.
            with told(key):
                answer = self._client.get_object(
                    Bucket=self.bucket, Key=key, Range="bytes=0-0", **pin
                )
                answer["Body"].close()
            raise StoreUnavailable(f"{key}: the store did not answer HEAD") from None
        except (BotoCoreError, Boto3Error) as error:
            raise StoreUnavailable(f"{key}: {error}") from error
        return answer

    def _keys(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2")
        with told(prefix):
            return [
                found["Key"]
                for page in pages.paginate(Bucket=self.bucket, Prefix=prefix)
                for found in page.get("Contents", [])
            ]


def entry_of(folder: Path, path: str) -> FileEntry:
    """Describe a file of a folder on this disk; every byte is read."""
    with (folder / path).open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return FileEntry(path, file.tell(), sha256)
