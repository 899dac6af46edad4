"""The bucket that holds releases: `models/<name>-v<version>/…`, the manifest last.

A release is found by its whole folder name, so `ner-v1.1` never matches `ner-v1.10`. An empty object
`pins/<name>-v<version>` keeps a release from being pruned, in the bucket and in every cache.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from functions.registry.download import WORKERS, download
from functions.registry.errors import (
    Cut,
    ManifestInvalid,
    ObjectMissing,
    Refused,
    StoreUnavailable,
)
from functions.registry.faults import told
from functions.registry.manifest import FileEntry, Manifest, parse, split_folder
from functions.registry.paths import MANIFEST
from functions.registry.ranges import Journal, Range, split
from functions.registry.version import Version

MODELS = "models"
MAX_MANIFEST = 4 << 20
PINS = "pins/"
PART = 32 << 20
PIECE = 1 << 20
"""Bytes of a part that are in memory at once."""


@dataclass(frozen=True, slots=True)
class Published:
    """One version in the bucket."""

    name: str
    version: Version

    @property
    def folder(self) -> str:
        """The release's folder name, `ner-v1.1.0`."""
        return f"{self.name}-v{self.version}"


def connect(service: str, environ: Mapping[str, str]) -> Any:
    """Open a boto3 client from AWS_ENDPOINT_URL, AWS_REGION and AWS credentials."""
    session = boto3.session.Session(
        aws_access_key_id=environ.get("AWS_ACCESS_KEY_ID"),
        aws_secret_access_key=environ.get("AWS_SECRET_ACCESS_KEY"),
        aws_session_token=environ.get("AWS_SESSION_TOKEN"),
        region_name=environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1",
    )
    endpoint = environ.get("AWS_ENDPOINT_URL")
    # An own endpoint has no DNS name for each bucket; AWS itself asks for one.
    style = {"addressing_style": "path" if endpoint else "auto"}
    config = Config(
        retries={"mode": "standard", "max_attempts": 4},
        connect_timeout=10,
        read_timeout=60,
        max_pool_connections=2 * WORKERS,
        s3=style,
        # Every file is verified by its sha256; older S3-alikes and Google's refuse the trailers.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    return session.client(service, endpoint_url=endpoint, config=config)


class ModelStore:
    """The releases in one bucket. Calls block: run them in a thread."""

    def __init__(self, client: Any, bucket: str) -> None:
        self._client = client
        self.bucket = bucket

    def uri(self, folder: str) -> str:
        """Return where a release is: `s3://bucket/models/ner-v1.1.0`."""
        return f"s3://{self.bucket}/{MODELS}/{folder}"

    def manifest(self, folder: str, *, allow_pickles: bool = False) -> Manifest:
        """Read and validate a release's manifest; ObjectMissing when there is none (yet)."""
        key = _key(folder, MANIFEST)
        with told(key):
            body = self._client.get_object(Bucket=self.bucket, Key=key)["Body"]
            document = body.read(MAX_MANIFEST + 1)
        if len(document) > MAX_MANIFEST:
            raise ManifestInvalid(f"the manifest is larger than {MAX_MANIFEST} bytes")
        manifest = parse(document, allow_pickles=allow_pickles)
        if manifest.folder != folder:
            raise ManifestInvalid(f"the manifest in {folder} says it is {manifest.folder}")
        return manifest

    def releases(self, name: str | None = None) -> list[Published]:
        """List every version that has a manifest, by name, then version."""
        found = []
        for folder in self._folders():
            try:
                published = Published(*split_folder(folder))
            except ManifestInvalid:
                continue  # somebody else's folder
            if name in {None, published.name} and self._exists(_key(folder, MANIFEST)):
                found.append(published)
        return sorted(found, key=lambda item: (item.name, item.version))

    def fetch(self, folder: str, entry: FileEntry, target: Path, notes: Path) -> str:
        """Bring one file to `target`, going on where `notes` says it stopped; return its sha256."""
        key = _key(folder, entry.path)
        pin = {"VersionId": entry.version_id} if entry.version_id else {}
        head = self._head(key, pin)
        if head["ContentLength"] != entry.size:
            reason = f"{entry.path} has {head['ContentLength']} bytes, not {entry.size}"
            raise Refused(reason, "wrong_size")
        journal = Journal(notes, target, head["ETag"], entry.size)
        ask = partial(self._pieces, key, {"IfMatch": head["ETag"], **pin})
        return download(ask, journal, split(entry.size, PART))

    def stored(self, folder: str, entry: FileEntry) -> FileEntry | None:
        """Return the entry with the version under which this very file was uploaded; None if not.

        What was noted of its hash is believed: only who fetches it has to know.
        """
        pin = {"VersionId": entry.version_id} if entry.version_id else {}
        try:
            head = self._head(_key(folder, entry.path), pin)
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
        """Put one file of a release; `progress` is called with the bytes that went out."""
        key = _key(folder, entry.path)
        with told(key):
            self._client.upload_file(
                str(source),
                self.bucket,
                key,
                Callback=progress,
                Config=TransferConfig(multipart_chunksize=PART, multipart_threshold=PART),
                ExtraArgs={"Metadata": {"sha256": entry.sha256}},
            )

    def finish(self, manifest: Manifest, *, again: bool) -> None:
        """Put the manifest: from now on the release exists.

        ObjectReplaced when another upload was quicker, unless it is put `again` on purpose.
        """
        key = _key(manifest.folder, MANIFEST)
        with told(key):
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=manifest.to_bytes(),
                ContentType="application/json",
                **({} if again else {"IfNoneMatch": "*"}),
            )

    def pins(self) -> frozenset[str]:
        """Return the release folders that a person pinned: they are never pruned."""
        return frozenset(key.removeprefix(PINS) for key in self._keys(PINS))

    def pin(self, folder: str) -> None:
        """Pin a release; doing it again changes nothing."""
        with told(PINS + folder):
            self._client.put_object(Bucket=self.bucket, Key=PINS + folder, Body=b"")

    def unpin(self, folder: str) -> None:
        """Let go of a release; doing it again changes nothing."""
        with told(PINS + folder):
            self._client.delete_object(Bucket=self.bucket, Key=PINS + folder)

    def remove(self, folder: str) -> None:
        """Delete a release: its manifest first, so that from then on it does not exist."""
        keys = [_key(folder, MANIFEST), *self._keys(_key(folder, ""))]
        with told(folder):
            for key in keys:
                self._client.delete_object(Bucket=self.bucket, Key=key)

    def _pieces(self, key: str, condition: Mapping[str, str], part: Range) -> Iterator[bytes]:
        with told(key):
            answer = self._client.get_object(
                Bucket=self.bucket, Key=key, Range=part.header, **condition
            )
            left = part.size
            with closing(answer["Body"]) as body:
                if answer["ContentLength"] != part.size:
                    raise StoreUnavailable(f"{key}: asked for {part.header}, got something else")
                while left and (piece := body.read(min(PIECE, left))):
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

    def _folders(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        with told(MODELS):
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{MODELS}/", Delimiter="/"):
                for found in page.get("CommonPrefixes", []):
                    yield found["Prefix"].removeprefix(f"{MODELS}/").rstrip("/")

    def _exists(self, key: str) -> bool:
        try:
            self._head(key, {})
        except ObjectMissing:
            return False
        return True


def _key(folder: str, path: str) -> str:
    return f"{MODELS}/{folder}/{path}"
