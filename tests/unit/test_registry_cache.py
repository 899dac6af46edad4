"""The cache on a disk: what a reader sees, what a writer leaves, what a lock is worth."""

import threading
from pathlib import Path

import pytest

from functions.registry.cache import ModelCache
from functions.registry.cache_writer import CacheWriter
from functions.registry.errors import Busy, ReleaseMissing
from functions.registry.locks import exclusive
from functions.registry.manifest import FileEntry, Manifest
from functions.registry.version import Version
from tests.support.releases import manifest_of


def manifest(version: str = "1.0.0", content: str = "a", name: str = "ner") -> Manifest:
    return manifest_of(version, [FileEntry("config.json", 1, content * 64)], name)


def publish(cache: ModelCache, what: Manifest) -> None:
    writer = CacheWriter(cache)
    with writer.claim(what.digest) as place:
        (place.files / "config.json").write_text("x")
        writer.publish(what, place)


def test_an_empty_cache_answers_that_nothing_is_there(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path / "none")
    assert cache.releases() == []
    assert cache.newest("ner") is None
    assert cache.version("ner", Version(1, 0, 0)) is None
    with pytest.raises(ReleaseMissing):
        cache.release("sha256:" + "0" * 64)


@pytest.mark.parametrize("digest", ["", "sha256:../../etc", "0" * 64, "sha256:" + "G" * 64])
def test_a_digest_that_is_none_never_becomes_a_path(tmp_path: Path, digest: str) -> None:
    with pytest.raises(ReleaseMissing, match="not a digest"):
        ModelCache(tmp_path).release(digest)


def test_the_newest_is_by_version_order_not_by_time_or_text(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    for version, content in [("1.10.0", "a"), ("1.9.0", "b"), ("1.10.0-rc.1", "c")]:
        publish(cache, manifest(version, content))
    publish(cache, manifest("9.0.0", "d", name="ner-large"))
    newest = cache.newest("ner")
    assert newest is not None
    assert str(newest.manifest.version) == "1.10.0"
    assert [r.manifest.folder for r in cache.releases()] == [
        "ner-v1.9.0", "ner-v1.10.0-rc.1", "ner-v1.10.0", "ner-large-v9.0.0",
    ]  # fmt: skip


def test_two_versions_of_the_same_files_share_an_entry_and_keep_their_manifests(
    tmp_path: Path,
) -> None:
    cache = ModelCache(tmp_path)
    publish(cache, manifest("1.0.0"))
    assert CacheWriter(cache).adopt(manifest("2.0.0")) is not None
    assert [str(release.manifest.version) for release in cache.releases()] == ["1.0.0", "2.0.0"]
    assert len(list(cache.entries.iterdir())) == 1
    assert [str(item.version) for item in CacheWriter(cache).prune((), keep=1)] == ["1.0.0"]
    assert len(list(cache.entries.iterdir())) == 1


def test_a_damaged_record_is_as_good_as_none(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    publish(cache, manifest())
    cache.record_path("ner", Version(1, 0, 0)).write_text("{")
    assert cache.newest("ner") is None
    assert CacheWriter(cache).adopt(manifest()) is not None
    assert cache.newest("ner") is not None


def test_an_entry_under_a_name_that_is_not_its_digest_is_no_release(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    publish(cache, manifest())
    (release,) = cache.releases()
    other = "sha256:" + "f" * 64
    release.path.rename(cache.entry_path(other))
    with pytest.raises(ReleaseMissing, match="holds"):
        cache.release(other)


def test_files_of_an_entry_cannot_be_written_by_accident(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    publish(cache, manifest())
    (release,) = cache.releases()
    assert (release.path / "config.json").stat().st_mode & 0o222 == 0


def test_what_a_dead_sync_left_is_swept_but_not_what_is_at_work(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path)
    writer = CacheWriter(cache)
    dead = tmp_path / "staging" / ("e" * 64) / "files"
    dead.mkdir(parents=True)
    (dead / "half").touch()
    with writer.claim(manifest(content="a").digest) as first:
        assert not dead.exists()
        with writer.claim(manifest(content="b").digest):
            assert first.files.exists()


def test_a_lock_is_held_once_and_free_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one"
    with exclusive(path, wait=False), pytest.raises(Busy), exclusive(path, wait=False):
        pass
    with exclusive(path, wait=False):
        pass
    assert not path.exists()


def test_waiters_on_a_lock_come_one_at_a_time(tmp_path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work(number: int) -> None:
        for _ in range(20):
            with exclusive(tmp_path / "lock", wait=True):
                inside.append(number)
                most.append(len(inside))
                inside.remove(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 120
    assert max(most) == 1
