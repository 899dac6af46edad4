"""Where a release may come from: `s3://`, `gs://`, `file://` and `hf://` give the same cache entry.

The digest covers the files and nothing else, so it does not matter which way they came. A release
folder on a disk, or at the Hugging Face Hub, is one with a `release.json` (or, as published, a
`model_config.json`); pickles are not even fetched from the Hub.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit

from functions.registry.errors import ObjectMissing, Refused, StoreUnavailable
from functions.registry.manifest import FileEntry, Manifest, parse, parse_release
from functions.registry.paths import MANIFEST, PICKLES
from functions.registry.publish import RELEASE, describe
from functions.registry.store import ModelStore, connect

GOOGLE = "https://storage.googleapis.com"
_PIECE = 1 << 20
_NOT_OF_THE_RELEASE = (".gitattributes", ".gitignore", ".cache/*")


@dataclass(frozen=True, slots=True)
class FolderStore:
    """A release folder on this machine, as a store that has only this one release."""

    path: Path

    def manifest(self, now: datetime) -> Manifest:
        """Read the manifest that came with the files, or make one from the files."""
        published = self.path / MANIFEST
        if published.is_file():
            return parse(published.read_bytes())
        return describe(self.path, now)

    def fetch(self, folder: str, entry: FileEntry, target: Path, notes: Path) -> str:  # noqa: ARG002 - a store's call
        """Copy one file to `target`; return the sha256 of what was copied."""
        digest = hashlib.sha256()
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            with (self.path / entry.path).open("rb") as source, target.open("wb") as copy:
                while piece := source.read(_PIECE):
                    digest.update(piece)
                    copy.write(piece)
        except FileNotFoundError as error:
            raise ObjectMissing(f"{self.path / entry.path} does not exist") from error
        return digest.hexdigest()


@contextmanager
def open_release(
    uri: str, environ: Mapping[str, str], now: datetime
) -> Iterator[tuple[ModelStore | FolderStore, Manifest]]:
    """Open the release at an address: its store, and its manifest."""
    parts = urlsplit(uri)
    if parts.scheme in {"s3", "gs"}:
        bucket, settings = bucket_of(f"{parts.scheme}://{parts.netloc}", environ)
        store = ModelStore(connect("s3", settings), bucket)
        yield store, store.manifest(Path(parts.path).name)
        return
    with local_folder(uri, environ) as path:
        folder = FolderStore(path)
        yield folder, folder.manifest(now)


@contextmanager
def local_folder(
    uri: str, environ: Mapping[str, str], release: Path | None = None
) -> Iterator[Path]:
    """Have the release folder of an address (or plain path) on this machine while the body runs.

    `release` is a `release.json` for a repository at the Hub that has none.
    """
    scheme, _, rest = uri.rpartition("://")
    if scheme in {"", "file"}:
        yield Path(unquote(rest) if scheme else rest)
    elif scheme == "hf":
        with TemporaryDirectory() as scratch:
            yield _from_hub(rest, Path(scratch), environ, release)
    else:
        raise Refused(f"{uri!r}: a release is at a path, file://, hf://, s3:// or gs://", "source")


def bucket_of(text: str, environ: Mapping[str, str]) -> tuple[str, Mapping[str, str]]:
    """Return a bucket's name and the settings that lead to it; `gs://` is Google's S3 endpoint.

    Google wants HMAC keys, in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    """
    scheme, _, name = text.rpartition("://")
    if scheme != "gs":
        return name, environ
    endpoint = environ.get("GS_ENDPOINT_URL", GOOGLE)
    return name, {**environ, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "auto"}


def _from_hub(rest: str, scratch: Path, environ: Mapping[str, str], release: Path | None) -> Path:
    repository, _, revision = rest.partition("@")
    _download(repository, revision or "main", scratch / "files", environ)
    shutil.rmtree(scratch / "files" / ".cache", ignore_errors=True)
    if release:
        shutil.copyfile(release, scratch / "files" / RELEASE)
    try:
        head = parse_release((scratch / "files" / RELEASE).read_bytes())
    except FileNotFoundError:
        raise Refused(f"hf://{rest} has no {RELEASE}: give one", "incomplete") from None
    return (scratch / "files").rename(scratch / f"{head['name']}-v{head['version']}")


def _download(repository: str, revision: str, into: Path, environ: Mapping[str, str]) -> None:
    """Fetch a repository's files; the Hub's client is imported here, where it is needed."""
    from huggingface_hub import HfApi  # noqa: PLC0415 - slow, and only for hf://
    from huggingface_hub.errors import (  # noqa: PLC0415 - as above
        HfHubHTTPError,
        HFValidationError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    hub = HfApi(environ.get("HF_ENDPOINT"), token=environ.get("HF_TOKEN") or False)
    ignored = [*_NOT_OF_THE_RELEASE, *(f"*{suffix}" for suffix in PICKLES)]
    try:
        hub.snapshot_download(
            repository, revision=revision, local_dir=into, ignore_patterns=ignored
        )
    except (HFValidationError, RepositoryNotFoundError, RevisionNotFoundError) as error:
        raise Refused(f"hf://{repository}@{revision} is not there: {error}", "source") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise StoreUnavailable(f"hf://{repository}: {error}") from error
