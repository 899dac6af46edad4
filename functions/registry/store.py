"""The bucket that holds releases: `models/<name>-v<version>/…`, the manifest last.

A release is found by its whole folder name, so `ner-v1.1` never matches `ner-v1.10`. An empty object
`pins/<name>-v<version>` keeps a release from being pruned, in the bucket and in every cache.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config

from functions.registry.download import WORKERS
from functions.registry.errors import ManifestInvalid
from functions.registry.faults import told
from functions.registry.folders import Folders
from functions.registry.manifest import Manifest, parse, split_folder
from functions.registry.paths import MANIFEST
from functions.registry.version import Version

MODELS = "models"
MAX_MANIFEST = 4 << 20
PINS = "pins/"


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


class ModelStore(Folders):
    """The releases in one bucket. Calls block: run them in a thread."""

    def __init__(self, client: Any, bucket: str) -> None:
        super().__init__(client, bucket, MODELS)

    def manifest(self, folder: str, *, allow_pickles: bool = False) -> Manifest:
        """Read and validate a release's manifest; ObjectMissing when there is none (yet)."""
        document = self.read(folder, MANIFEST, MAX_MANIFEST + 1)
        if len(document) > MAX_MANIFEST:
            raise ManifestInvalid(f"the manifest is larger than {MAX_MANIFEST} bytes")
        manifest = parse(document, allow_pickles=allow_pickles)
        if manifest.folder != folder:
            raise ManifestInvalid(f"the manifest in {folder} says it is {manifest.folder}")
        return manifest

    def releases(self, name: str | None = None) -> list[Published]:
        """List every version that has a manifest, by name, then version."""
        found = []
        for folder in self.names():
            try:
                published = Published(*split_folder(folder))
            except ManifestInvalid:
                continue  # somebody else's folder
            if name in {None, published.name} and self.has(folder, MANIFEST):
                found.append(published)
        return sorted(found, key=lambda item: (item.name, item.version))

    def finish(self, manifest: Manifest, *, again: bool) -> None:
        """Put the manifest: from now on the release exists.

        ObjectReplaced when another upload was quicker, unless it is put `again` on purpose.
        """
        self.put(manifest.folder, MANIFEST, manifest.to_bytes(), again=again)

    def remove(self, folder: str, last: str = MANIFEST) -> None:
        """Delete a release, its manifest first."""
        super().remove(folder, last)

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
