"""The bucket that holds releases: `models/<name>-v<version>/…`, the manifest last.

A release is found by its whole folder name, so `ner-v1.1` never matches `ner-v1.10`. This is the
only module of the registry that knows boto3; it turns its errors into ours.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import boto3
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from functions.registry.errors import ManifestInvalid, ObjectMissing, Refused, StoreUnavailable
from functions.registry.manifest import FileEntry, Manifest, parse, split_folder
from functions.registry.paths import MANIFEST
from functions.registry.ranges import Journal, Range, split
from functions.registry.version import Version

MODELS = "models"
MAX_MANIFEST = 4 << 20
PART = 32 << 20
WORKERS = 4
_GONE = {"NoSuchKey", "NoSuchVersion", "404", "NotFound"}


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
        with _faults(key):
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

    def fetch(self, folder: str, entry: FileEntry, target: Path, notes: Path) -> None:
        """Bring one file to `target`, in parts, going on where `notes` says it stopped."""
        key = _key(folder, entry.path)
        pin = {"VersionId": entry.version_id} if entry.version_id else {}
        with _faults(key):
            head = self._client.head_object(Bucket=self.bucket, Key=key, **pin)
        if head["ContentLength"] != entry.size:
            reason = f"{entry.path} has {head['ContentLength']} bytes, not {entry.size}"
            raise Refused(reason, "wrong_size")
        journal = Journal(notes, target, head["ETag"], entry.size)
        source = partial(self._part, key, head["ETag"], pin)
        missing = [part for part in split(entry.size, PART) if part.start not in journal.done]
        with journal.opened(), ThreadPoolExecutor(WORKERS) as pool:
            for _ in pool.map(lambda part: journal.write(part, source(part)), missing):
                pass

    def holds(self, folder: str, entry: FileEntry) -> bool:
        """Whether this very file was uploaded before, by what the upload noted of its hash."""
        key = _key(folder, entry.path)
        try:
            with _faults(key):
                head = self._client.head_object(Bucket=self.bucket, Key=key)
        except ObjectMissing:
            return False
        noted = head["Metadata"].get("sha256")
        return bool(head["ContentLength"] == entry.size and noted == entry.sha256)

    def upload(
        self, folder: str, entry: FileEntry, source: Path, progress: Callable[[int], None]
    ) -> None:
        """Put one file of a release; `progress` is called with the bytes that went out."""
        key = _key(folder, entry.path)
        with _faults(key):
            self._client.upload_file(
                str(source),
                self.bucket,
                key,
                Callback=progress,
                Config=TransferConfig(multipart_chunksize=PART, multipart_threshold=PART),
                ExtraArgs={"Metadata": {"sha256": entry.sha256}},
            )

    def finish(self, manifest: Manifest) -> None:
        """Put the manifest: from now on the release exists."""
        key = _key(manifest.folder, MANIFEST)
        with _faults(key):
            self._client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=manifest.to_bytes(),
                ContentType="application/json",
            )

    def remove(self, folder: str) -> None:
        """Delete a release: its manifest first, so that from then on it does not exist."""
        pages = self._client.get_paginator("list_objects_v2")
        with _faults(folder):
            self._client.delete_object(Bucket=self.bucket, Key=_key(folder, MANIFEST))
            for page in pages.paginate(Bucket=self.bucket, Prefix=_key(folder, "")):
                for found in page.get("Contents", []):
                    self._client.delete_object(Bucket=self.bucket, Key=found["Key"])

    def _part(self, key: str, etag: str, pin: Mapping[str, str], part: Range) -> bytes:
        with _faults(key):
            answer = self._client.get_object(
                Bucket=self.bucket, Key=key, Range=part.header, IfMatch=etag, **pin
            )
            content: bytes = answer["Body"].read()
        if len(content) != part.size:
            raise StoreUnavailable(f"{key}: a part was cut short")
        return content

    def _folders(self) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2")
        with _faults(MODELS):
            for page in pages.paginate(Bucket=self.bucket, Prefix=f"{MODELS}/", Delimiter="/"):
                for found in page.get("CommonPrefixes", []):
                    yield found["Prefix"].removeprefix(f"{MODELS}/").rstrip("/")

    def _exists(self, key: str) -> bool:
        try:
            with _faults(key):
                self._client.head_object(Bucket=self.bucket, Key=key)
        except ObjectMissing:
            return False
        return True


def _key(folder: str, path: str) -> str:
    return f"{MODELS}/{folder}/{path}"


@contextmanager
def _faults(key: str) -> Iterator[None]:
    """Say what an error of the store means: gone, or worth another try."""
    try:
        yield
    except ClientError as error:
        code = str(error.response.get("Error", {}).get("Code", "unknown"))
        if code in _GONE:
            raise ObjectMissing(f"{key} is not in the bucket") from error
        raise StoreUnavailable(f"{key}: the store answered {code}") from error
    except (BotoCoreError, Boto3Error) as error:
        raise StoreUnavailable(f"{key}: {error}") from error
