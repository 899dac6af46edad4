"""Two uploads at once: one release comes of it, whole; the other upload hears that it was late."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from functions.registry.errors import Refused
from functions.registry.manifest import FileEntry
from functions.registry.publish import describe, publish, upload
from functions.registry.store import ModelStore
from tests.support.s3 import BUCKET, S3Server, created, release_folder, s3_server
from tests.support.synced import model_sync, rejected, synced, versions

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


class Interrupted(ModelStore):
    """A store in which something happens right before the manifest is put."""

    def __init__(self, client: Any, happens: Any) -> None:
        super().__init__(client, BUCKET)
        self._happens = happens

    def finish(self, *args: Any, **more: Any) -> None:
        self._happens()
        super().finish(*args, **more)


def rivals(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of one version whose weights differ, by as many bytes."""
    return tuple(  # type: ignore[return-value] # two, as the literal below
        release_folder(tmp_path / name, weights=name.encode() * 1000) for name in ("mine", "hers")
    )


@pytest.mark.parametrize("versioned", [True, False])
async def test_of_two_uploads_of_one_version_the_slower_one_is_refused(
    server: S3Server, tmp_path: Path, versioned: bool  # noqa: FBT001 - a parameter of the table
) -> None:  # fmt: skip
    s3 = server.client("s3")
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    mine, hers = rivals(tmp_path)
    store = Interrupted(s3, lambda: publish(hers, BUCKET, s3))
    with pytest.raises(Refused, match="for ever"):
        upload(mine, store, describe(mine, NOW))
    sync = model_sync(server, server.port, tmp_path / "cache")
    assert ModelStore(s3, BUCKET).manifest("ner-v1.0.0").digest == describe(hers, NOW).digest
    assert await synced(created("ner-v1.0.0"), sync) == "1.0.0"
    (release,) = sync.cache.releases()
    paths = [folder / "model.safetensors" for folder in (release.path, hers)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


@pytest.mark.parametrize("versioned", [True, False])
async def test_a_file_overwritten_by_a_late_upload_is_found_and_repaired_by_publishing_again(
    server: S3Server, tmp_path: Path, versioned: bool  # noqa: FBT001 - a parameter of the table
) -> None:  # fmt: skip
    s3 = server.client("s3")
    if versioned:
        s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    mine, hers = rivals(tmp_path)
    publish(mine, BUCKET, s3)
    weights = next(e for e in describe(hers, NOW).files if e.path == "model.safetensors")
    late = ModelStore(s3, BUCKET)
    late.upload("ner-v1.0.0", weights, hers / weights.path, lambda _: None)
    sync = model_sync(server, server.port, tmp_path / "cache")
    if not versioned:
        assert await rejected(created("ner-v1.0.0"), sync) == "wrong_hash"
        assert versions(sync) == []
    again = publish(mine, BUCKET, s3)
    assert again.existed
    assert again.sent == (0 if versioned else weights.size)
    assert await synced(created("ner-v1.0.0"), sync) == "1.0.0"
    assert versions(sync) == ["1.0.0"]


def test_a_file_replaced_before_it_was_noted_stops_the_upload(
    server: S3Server, tmp_path: Path
) -> None:
    s3 = server.client("s3")
    mine, hers = rivals(tmp_path)
    theirs = next(e for e in describe(hers, NOW).files if e.path == "model.safetensors")

    class Raced(ModelStore):
        def upload(self, folder: str, entry: FileEntry, *more: Any) -> None:
            super().upload(folder, entry, *more)
            if entry.path == theirs.path:
                super().upload(folder, theirs, hers / theirs.path, lambda _: None)

    with pytest.raises(Refused, match="another upload"):
        upload(mine, Raced(s3, BUCKET), describe(mine, NOW))
    assert ModelStore(s3, BUCKET).releases() == []


async def test_uploads_of_two_versions_at_once_do_not_meet(
    server: S3Server, tmp_path: Path
) -> None:
    s3 = server.client("s3")
    one, two = release_folder(tmp_path), release_folder(tmp_path, version="1.1.0")
    store = Interrupted(s3, lambda: publish(two, BUCKET, s3))
    upload(one, store, describe(one, NOW))
    sync = model_sync(server, server.port, tmp_path / "cache")
    for version in ("1.0.0", "1.1.0"):
        assert await synced(created(f"ner-v{version}"), sync) == version
    assert versions(sync) == ["1.0.0", "1.1.0"]
