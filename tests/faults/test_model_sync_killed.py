"""kill -9 at any moment of a sync: the cache is as it was or holds the whole release; then it ends.

The victim is a process of its own, because a killed thread is no killed process.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from functions.model_sync.transfer import Transfer, verify
from functions.registry.cache import ModelCache
from functions.registry.cache_writer import CacheWriter
from functions.registry.publish import publish
from functions.registry.store import ModelStore, connect
from tests.support.s3 import BUCKET, S3Server, release_folder, s3_server

KILLS = 30
VICTIM = """
import os, sys
from pathlib import Path
from functions.model_sync.transfer import Transfer
from functions.registry import store
from functions.registry.cache import ModelCache
from functions.registry.cache_writer import CacheWriter
store.PART = 2000
bucket = store.ModelStore(store.connect("s3", os.environ), sys.argv[2])
cache = ModelCache(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for folder in sys.argv[3:]:
    Transfer(bucket, cache).run(bucket.manifest(folder))
    CacheWriter(cache).prune(())
print("done", flush=True)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as running:
        yield running


def start(server: S3Server, cache: Path, folders: list[str]) -> subprocess.Popen[bytes]:
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, str(cache), BUCKET, *folders],
        env=server.environ() | {"PYTHONPATH": str(Path.cwd())},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert victim.stdout
    assert victim.stdout.readline() == b"ready\n"
    return victim


def go(victim: subprocess.Popen[bytes]) -> None:
    assert victim.stdin
    victim.stdin.write(b"\n")
    victim.stdin.flush()


def end(victim: subprocess.Popen[bytes]) -> None:
    victim.kill()
    victim.communicate()


def whole_or_absent(cache: ModelCache) -> None:
    for release in cache.releases():
        assert verify(release) == []
    for entry in cache.entries.glob("*"):
        assert verify(cache.release(f"sha256:{entry.name}")) == []


def test_killed_at_random_moments_it_still_ends_with_the_verified_release(
    server: S3Server, tmp_path: Path
) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    folders = [f"ner-v1.{minor}.0" for minor in range(4)]
    for minor in range(4):
        weights = random.Random(minor).randbytes(30_000)  # noqa: S311 - the same bytes in every run
        folder = release_folder(tmp_path, version=f"1.{minor}.0", model__safetensors=weights)
        publish(folder, BUCKET, s3)
    cache = ModelCache(tmp_path / "cache")
    moments = random.Random(20)  # noqa: S311 - not a secret
    calm = start(server, tmp_path / "calm", folders)
    started = time.monotonic()
    go(calm)
    assert calm.wait(60) == 0
    calm.communicate()
    usual = time.monotonic() - started

    killed = 0
    while killed < KILLS:
        victim = start(server, cache.root, folders)
        go(victim)
        with suppress(subprocess.TimeoutExpired):
            victim.wait(moments.uniform(0, usual))
        end(victim)
        killed += victim.returncode == -signal.SIGKILL
        whole_or_absent(cache)
        if len(cache.releases()) > 2:
            CacheWriter(cache).prune((), keep=0)  # begin again, or later kills find nothing to do

    store = ModelStore(connect("s3", server.environ()), BUCKET)
    for folder in folders:
        Transfer(store, cache).run(store.manifest(folder))
    CacheWriter(cache).prune(())
    assert [str(release.manifest.version) for release in cache.releases()] == folders_kept(folders)
    whole_or_absent(cache)
    assert not [path for path in (cache.root / "staging").rglob("*") if path.is_file()]
    assert not list((cache.root / "locks").glob("*"))


def folders_kept(folders: list[str]) -> list[str]:
    return [folder.removeprefix("ner-v") for folder in folders[-3:]]


def test_processes_that_sync_the_same_versions_at_once_end_with_whole_releases(
    server: S3Server, tmp_path: Path
) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for minor in range(3):
        publish(release_folder(tmp_path, version=f"1.{minor}.0"), BUCKET, s3)
    folders = [f"ner-v1.{minor}.0" for minor in range(3)]
    cache = ModelCache(tmp_path / "cache")
    rivals = [start(server, cache.root, order) for order in (folders, folders[::-1], folders[1:])]
    for rival in rivals:
        go(rival)
    outcomes = [rival.wait(60) for rival in rivals]
    for rival in rivals:
        end(rival)
    assert 0 in outcomes  # the others may have been told that somebody is at it already
    whole_or_absent(cache)
    store = ModelStore(connect("s3", server.environ()), BUCKET)
    for folder in folders:
        Transfer(store, cache).run(store.manifest(folder))
    assert len(cache.releases()) == 3
