"""What a sync flushes to disk before its entry gets a name, and what has been flushed already."""

import os
from pathlib import Path

import pytest

from functions.registry.cache import ModelCache
from functions.registry.cache_writer import CacheWriter
from functions.registry.manifest import FileEntry, Manifest
from tests.support.releases import manifest_of


def manifest(version: str) -> Manifest:
    return manifest_of(version, [FileEntry("config.json", 1, version[2] * 64)])


@pytest.fixture
def flushed(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The inodes that were flushed."""
    inodes: set[int] = set()
    fsync = os.fsync

    def watched(handle: int) -> None:
        inodes.add(os.fstat(handle).st_ino)
        fsync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    return inodes


@pytest.fixture
def weights(tmp_path: Path, flushed: set[int]) -> Path:
    """The weights of ner-v1.0.0, which the cache has; they were flushed."""
    first = manifest("1.0.0")
    writer = CacheWriter(ModelCache(tmp_path / "cache"))
    with writer.claim(first.digest) as place:
        (place.files / "weights").write_text("much")
        entry = writer.publish(first, place).path
    assert (entry / "weights").stat().st_ino in flushed
    flushed.clear()
    return entry / "weights"


def publish_successor(root: Path, source: Path, *, gone: bool = False) -> Path:
    """Publish ner-v1.1.0 with a link to `source`, whose own name may be gone by then."""
    second = manifest("1.1.0")
    writer = CacheWriter(ModelCache(root / "cache"))
    with writer.claim(second.digest) as place:
        (place.files / "weights").hardlink_to(source)
        (place.files / "config.json").write_text("new")
        if gone:
            source.unlink()
        return writer.publish(second, place).path


def test_a_file_of_another_entry_is_not_flushed_again(
    tmp_path: Path, weights: Path, flushed: set[int]
) -> None:
    entry = publish_successor(tmp_path, weights)
    assert weights.stat().st_ino not in flushed
    for name in (".", "..", "config.json", "model_config.json"):
        assert (entry / name).stat().st_ino in flushed, name
    assert {path.stat().st_mode & 0o777 for path in entry.iterdir()} == {0o444}


def test_a_link_to_a_file_that_can_be_written_is_flushed(tmp_path: Path, flushed: set[int]) -> None:
    outside = tmp_path / "outside"
    outside.write_text("much")
    entry = publish_successor(tmp_path, outside)
    assert (entry / "weights").stat().st_ino in flushed
    assert (entry / "weights").stat().st_mode & 0o777 == 0o444


def test_a_file_whose_entry_was_pruned_meanwhile_is_flushed(
    tmp_path: Path, weights: Path, flushed: set[int]
) -> None:
    entry = publish_successor(tmp_path, weights, gone=True)
    assert (entry / "weights").stat().st_ino in flushed
