"""What a release is: a manifest that names every file, or it is refused.

The digest covers the canonical file list: the same files are the same release, whatever order they
are written in. Which paths are acceptable is `functions.registry.paths`' business. Pure.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.registry.errors import ManifestInvalid
from functions.registry.paths import check_paths
from functions.registry.version import PATTERN, Version

SCHEMA = 1
NAME_PATTERN = r"[a-z](?:[a-z0-9-]{0,38}[a-z0-9])?"
_NAME = re.compile(NAME_PATTERN)
_FOLDER = re.compile(rf"(?P<name>{NAME_PATTERN})-v(?P<version>{PATTERN})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_MAX_FILES = 10_000


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file: its path inside the release, its bytes, their sha256 (hex)."""

    path: str
    size: int
    sha256: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """`model_config.json`: which model, who serves it, and every file of it.

    `service` is the Knative Service that a new version is rolled out to, "" for a model that others
    name by its digest. `golden` is the path of the golden set, `metrics` what was
    measured before publishing, `created_at` an RFC 3339 time.
    """

    name: str
    version: Version
    task: str
    framework: str
    service: str
    files: tuple[FileEntry, ...]
    labels: Mapping[str, str]
    golden: str | None
    metrics: Mapping[str, Any]
    created_at: str
    signature: str | None = None

    @property
    def digest(self) -> str:
        """`sha256:<hex>` over the canonical file list."""
        return digest_of(self.files)

    @property
    def folder(self) -> str:
        """The release's folder name, `ner-v1.1.0`."""
        return f"{self.name}-v{self.version}"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(entry.size for entry in self.files)

    def to_json(self) -> dict[str, Any]:
        """Return the document as it is published; `parse` reads it back."""
        document: dict[str, Any] = {
            "schema": SCHEMA,
            "name": self.name,
            "version": str(self.version),
            "task": self.task,
            "framework": self.framework,
            "service": self.service or None,
            "labels": dict(self.labels),
            "files": [_file_json(entry) for entry in self.files],
            "digest": self.digest,
            "golden": self.golden,
            "metrics": dict(self.metrics),
            "created_at": self.created_at,
        }
        return document | ({"signature": self.signature} if self.signature else {})

    def to_bytes(self) -> bytes:
        """Return the document's bytes: the same manifest is always the same bytes."""
        return (json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n").encode()


def split_folder(folder: str) -> tuple[str, Version]:
    """`ner-v1.1.0` → its name and version; anything else is ManifestInvalid."""
    match = _FOLDER.fullmatch(folder)
    if not match:
        raise ManifestInvalid(f"{folder[:80]!r} is not a release folder such as ner-v1.1.0")
    return match["name"], Version.parse(match["version"])


def digest_of(files: Iterable[FileEntry]) -> str:
    """Return the digest of a file list, in any order."""
    rows = sorted([entry.path, entry.size, entry.sha256] for entry in files)
    canonical = json.dumps(rows, separators=(",", ":"), ensure_ascii=True).encode()
    return f"sha256:{hashlib.sha256(canonical).hexdigest()}"


def is_digest(text: str) -> bool:
    """Whether `text` is written as `sha256:<64 hex digits>`."""
    return _DIGEST.fullmatch(text) is not None


def parse(document: bytes | Mapping[str, Any], *, allow_pickles: bool = False) -> Manifest:
    """Read and validate a published manifest; any broken rule is ManifestInvalid."""
    raw = _object(document)
    _known_fields(raw, {*_REQUIRED, "files", "digest", "created_at", "signature", *_OPTIONAL})
    manifest = build(raw, _files(raw.get("files")), _text(raw, "created_at"))
    if not 0 < len(manifest.files) <= _MAX_FILES:
        raise ManifestInvalid(f"files must be a list of 1 to {_MAX_FILES} files")
    check_paths((entry.path for entry in manifest.files), allow_pickles=allow_pickles)
    _check_golden(manifest)
    if raw.get("digest") != manifest.digest:
        raise ManifestInvalid("digest does not fit the file list")
    return manifest


def parse_release(document: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """Read `release.json`: the manifest's head, before there are sizes and hashes."""
    raw = _object(document)
    _known_fields(raw, {*_REQUIRED, *_OPTIONAL})
    build(raw, (), "")
    return raw


def build(head: Mapping[str, Any], files: Sequence[FileEntry], created_at: str) -> Manifest:
    """Make a manifest from its head (the fields of `release.json`) and its file list."""
    if head.get("schema") != SCHEMA or isinstance(head.get("schema"), bool):
        raise ManifestInvalid(f"schema must be {SCHEMA}")
    signature = head.get("signature")
    if signature is not None and not isinstance(signature, str):
        raise ManifestInvalid("signature must be a string")
    return Manifest(
        name=_name(head, "name"),
        version=_version(head),
        task=_text(head, "task"),
        framework=_text(head, "framework"),
        service=_name(head, "service") if head.get("service") is not None else "",
        files=tuple(sorted(files, key=lambda entry: entry.path)),
        labels=_labels(head),
        golden=_text(head, "golden") if head.get("golden") is not None else None,
        metrics=_mapping(head, "metrics"),
        created_at=created_at,
        signature=signature,
    )


_REQUIRED = ("schema", "name", "version", "task", "framework")
_OPTIONAL = ("service", "labels", "golden", "metrics")


def _check_golden(manifest: Manifest) -> None:
    if manifest.golden and manifest.golden not in {entry.path for entry in manifest.files}:
        raise ManifestInvalid(f"golden set {manifest.golden!r} is not among the files")


def _object(document: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(document, bytes):
        return document
    try:
        raw = json.loads(document)
    except (ValueError, RecursionError) as error:
        raise ManifestInvalid("the manifest is not JSON") from error
    if not isinstance(raw, dict):
        raise ManifestInvalid("the manifest is not a JSON object")
    return raw


def _known_fields(raw: Mapping[str, Any], known: set[str]) -> None:
    if unknown := sorted(set(raw) - known):
        raise ManifestInvalid(f"unknown field {unknown[0][:40]!r}")


def _text(raw: Mapping[str, Any], field: str) -> str:
    value = raw.get(field)
    if not isinstance(value, str) or not value:
        raise ManifestInvalid(f"{field} must be a string that is not empty")
    return value


def _name(raw: Mapping[str, Any], field: str) -> str:
    value = _text(raw, field)
    if not _NAME.fullmatch(value):
        raise ManifestInvalid(f"{field} must be lower-case letters, digits and hyphens")
    return value


def _version(raw: Mapping[str, Any]) -> Version:
    try:
        return Version.parse(_text(raw, "version"))
    except ValueError as error:
        raise ManifestInvalid(f"version: {error}") from error


def _mapping(raw: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    value = raw.get(field, {})
    if not isinstance(value, Mapping):
        raise ManifestInvalid(f"{field} must be an object")
    return dict(value)


def _labels(raw: Mapping[str, Any]) -> Mapping[str, str]:
    labels = _mapping(raw, "labels")
    if not all(isinstance(value, str) for value in labels.values()):
        raise ManifestInvalid("labels must hold strings")
    return labels


def _files(raw: object) -> tuple[FileEntry, ...]:
    if not isinstance(raw, list):
        raise ManifestInvalid("files must be a list")
    return tuple(_file(item) for item in raw)


def _file(item: object) -> FileEntry:
    if not isinstance(item, dict):
        raise ManifestInvalid("files must hold objects")
    _known_fields(item, {"path", "size", "sha256", "version_id"})
    path, size, sha256 = _text(item, "path"), item.get("size"), _text(item, "sha256")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ManifestInvalid(f"size of {path[:80]!r} must be a number of bytes")
    if not _SHA256.fullmatch(sha256):
        raise ManifestInvalid(f"sha256 of {path[:80]!r} must be 64 hex digits")
    version_id = _text(item, "version_id") if item.get("version_id") is not None else None
    return FileEntry(path, size, sha256, version_id)


def _file_json(entry: FileEntry) -> dict[str, Any]:
    plain = {"path": entry.path, "size": entry.size, "sha256": entry.sha256}
    return plain | ({"version_id": entry.version_id} if entry.version_id else {})
