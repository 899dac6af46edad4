"""kill -9 at any moment of a sync: the cache is as it was or holds the whole release; then it ends.

The victim is a process of its own, because a killed thread is no killed process.
"""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from functions.model_sync.transfer import Transfer, verify
from functions.registry.cache import ModelCache
from functions.registry.cache_writer import CacheWriter
from functions.registry.publish import publish
from functions.registry.store import ModelStore, connect
from tests.support.s3 import BUCKET, S3Server, release_folder, s3_server

KILLS = 100
VICTIM = """
import os, signal, sys, time
from pathlib import Path
from functions.model_sync.transfer import Transfer
from functions.registry import folders, store
from functions.registry.cache import ModelCache
from functions.registry.cache_writer import CacheWriter
folders.PART = 2000
bucket = store.ModelStore(store.connect("s3", os.environ), sys.argv[2])
cache = ModelCache(Path(sys.argv[1]))
print("ready", flush=True)
for moment in sys.stdin:  # seconds until a child that syncs is killed; forked, it need not import
    if child := os.fork():
        deadline, status = time.monotonic() + float(moment), (0, 0)
        while time.monotonic() < deadline and status[0] == 0:
            time.sleep(0.001)
            status = os.waitpid(child, os.WNOHANG)
        if status[0] == 0:
            os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status[1]), flush=True)
        continue
    for folder in sys.argv[3:]:
        Transfer(bucket, cache).run(bucket.manifest(folder))
        CacheWriter(cache).prune(())
    os._exit(0)
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


def go(victim: subprocess.Popen[bytes], moment: float = 60) -> None:
    """Let a child sync, and kill it after so many seconds."""
    assert victim.stdin
    victim.stdin.write(f"{moment}\n".encode())
    victim.stdin.flush()


def ended(victim: subprocess.Popen[bytes]) -> int:
    """Wait for the child; return its exit code, negative for the signal that ended it."""
    assert victim.stdout
    return int(victim.stdout.readline())


def end(victim: subprocess.Popen[bytes]) -> None:
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
    folders = [f"ner-v1.{minor}.0" for minor in range(2)]
    for minor in range(2):
        weights = random.Random(minor).randbytes(8_000)  # noqa: S311 - the same bytes in every run
        folder = release_folder(tmp_path, version=f"1.{minor}.0", weights=weights)
        publish(folder, BUCKET, s3)
    cache = ModelCache(tmp_path / "cache")
    moments = random.Random(20)  # noqa: S311 - not a secret
    calm = start(server, tmp_path / "calm", folders)
    started = time.monotonic()
    go(calm)
    assert ended(calm) == 0
    usual = time.monotonic() - started
    end(calm)

    killed = 0
    victim = start(server, cache.root, folders)
    while killed < KILLS:
        go(victim, moments.uniform(0, usual))
        killed += ended(victim) == -signal.SIGKILL
        whole_or_absent(cache)
        if len(cache.releases()) == len(folders):
            CacheWriter(cache).prune((), keep=0)  # begin again, or later kills find nothing to do
    end(victim)

    store = ModelStore(connect("s3", server.environ()), BUCKET)
    for folder in folders:
        Transfer(store, cache).run(store.manifest(folder))
    CacheWriter(cache).prune(())
    assert [str(release.manifest.version) for release in cache.releases()] == ["1.0.0", "1.1.0"]
    whole_or_absent(cache)
    assert not [path for path in (cache.root / "staging").rglob("*") if path.is_file()]
    assert not list((cache.root / "locks").glob("*"))


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
    outcomes = [ended(rival) for rival in rivals]
    for rival in rivals:
        end(rival)
    assert 0 in outcomes  # the others may have been told that somebody is at it already
    whole_or_absent(cache)
    store = ModelStore(connect("s3", server.environ()), BUCKET)
    for folder in folders:
        Transfer(store, cache).run(store.manifest(folder))
    assert len(cache.releases()) == 3
