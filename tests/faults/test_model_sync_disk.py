"""A volume that is too small: refused before a byte is fetched, or when it fills up; then as before.

The small volume is a file system in memory that only a user namespace of our own can see; where the
machine does not allow that, a store that finds the disk full takes its place.
"""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from functions.model_sync.service import ModelSync
from functions.registry.manifest import FileEntry
from functions.registry.publish import publish
from functions.registry.store import ModelStore
from tests.support.s3 import BUCKET, S3Server, created, release_folder, s3_server
from tests.support.synced import leftovers, model_sync, rejected, synced, versions

GIGABYTE = 1 << 30
SMALL_DISK = """
import os, sys
from pathlib import Path
from functions.model_sync import transfer
from functions.registry.cache import ModelCache
from functions.registry.errors import Refused
from functions.registry.store import ModelStore, connect
bucket = ModelStore(connect("s3", os.environ), sys.argv[2])
cache = ModelCache(Path(sys.argv[1]))
for spare, folder in [(transfer.SPARE, "ner-v1.1.0"), (0, "ner-v1.1.0"), (-1 << 30, "ner-v1.1.0")]:
    transfer.SPARE = spare
    try:
        transfer.Transfer(bucket, cache).run(bucket.manifest(folder))
    except Refused as refusal:
        left = [path for path in cache.root.rglob("*") if path.is_file()]
        print(refusal.reason_code, left)
transfer.SPARE = 0
release = transfer.Transfer(bucket, cache).run(bucket.manifest("ner-v1.0.0"))
print("synced", transfer.verify(release))
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        root = tmp_path_factory.mktemp("releases")
        big = os.urandom(3 << 20)
        for folder in (
            release_folder(root),
            release_folder(root, version="1.1.0", weights=big),
        ):
            publish(folder, BUCKET, running.client("s3"))
        yield running


@pytest.fixture
def sync(server: S3Server, tmp_path: Path) -> ModelSync:
    return model_sync(server, server.port, tmp_path / "cache")


async def test_more_bytes_than_the_disk_has_are_refused_before_one_is_fetched(
    sync: ModelSync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = sync.store.manifest("ner-v1.0.0")
    free = shutil.disk_usage(tmp_path).free
    huge = FileEntry("huge.safetensors", free + 50 * GIGABYTE, "0" * 64)
    changed = replace(manifest, files=(*manifest.files, huge))
    monkeypatch.setattr(ModelStore, "manifest", lambda *_, **__: changed)
    assert await rejected(created("ner-v1.0.0"), sync) == "no_space"
    assert versions(sync) == []
    assert leftovers(sync) == []


async def test_a_disk_that_fills_up_midway_leaves_the_old_state(
    sync: ModelSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert await synced(created("ner-v1.0.0"), sync) == "1.0.0"
    room, real = [3 << 20], os.pwrite

    def quota(handle: int, content: Any, offset: int) -> int:
        room[0] -= len(content)
        if room[0] < 300_000:  # a tenth is left
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(handle, content, offset)

    monkeypatch.setattr("functions.registry.folders.PIECE", 100_000)
    with monkeypatch.context() as context:
        context.setattr(os, "pwrite", quota)
        assert await rejected(created("ner-v1.1.0"), sync) == "no_space"
    assert versions(sync) == ["1.0.0"]
    assert leftovers(sync) == []
    assert await synced(created("ner-v1.1.0"), sync) == "1.1.0"


def test_on_a_small_file_system_nothing_is_left_of_what_did_not_fit(
    server: S3Server, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    script = tmp_path / "script.py"
    script.write_text(SMALL_DISK)
    mount = f"mount -t tmpfs -o size=2m tmpfs {disk}"
    own = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*own, mount], check=False).returncode:
        pytest.skip("this machine lets nobody mount a file system of their own")
    command = f"{mount} && exec {sys.executable} {script} {disk}/cache {BUCKET}"
    done = subprocess.run(
        [*own, command],
        env=server.environ() | {"PYTHONPATH": str(Path.cwd()), "PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    # Refused for the spare room, for the release's own size, and by the file system itself.
    assert done.stdout.splitlines() == [*["no_space []"] * 3, "synced []"], done.stderr
