"""Manifests of releases whose files nobody reads."""

from collections.abc import Iterable

from functions.registry.manifest import FileEntry, Manifest
from functions.registry.version import Version


def manifest_of(version: str, files: Iterable[FileEntry], name: str = "ner") -> Manifest:
    """Return the manifest of a release with these files."""
    return Manifest(
        name=name,
        version=Version.parse(version),
        task="t",
        framework="f",
        service=name,
        files=tuple(files),
        labels={},
        golden=None,
        metrics={},
        created_at="now",
    )
