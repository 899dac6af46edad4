"""Whatever S3 sends: the verified version, or the old state and one clear reason; nothing is left over.

Every test starts with version 1.0.0 in the cache and 1.1.0 in the bucket, and reaches the bucket
through a proxy that misbehaves.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.model_sync.service import ModelSync, handle
from functions.registry import download, folders
from functions.registry.cache_writer import CacheWriter
from functions.registry.publish import publish
from functions.runtime.errors import Unavailable
from tests.support.fault_proxy import Fault, FaultProxy, fault_proxy
from tests.support.s3 import BUCKET, S3Server, created, release_folder, s3_server
from tests.support.synced import leftovers, model_sync, overdue, rejected, synced, versions

NEW, OLD = created("ner-v1.1.0"), created("ner-v1.0.0")
WEIGHTS = "ner-v1.1.0/model.safetensors"
KEY = f"models/{WEIGHTS}"
MANIFEST = "ner-v1.1.0/model_config.json"

LASTING = [
    (400, "ExpiredToken", "credentials_expired"),
    (403, "AccessDenied", "access_denied"),
    (403, "SignatureDoesNotMatch", "access_denied"),
    (403, "RequestTimeTooSkewed", "clock_skew"),
    (404, "NoSuchBucket", "bucket_missing"),
    (503, "SlowDown", "store_busy"),
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def proxy(server: S3Server) -> Iterator[FaultProxy]:
    with fault_proxy(server.port) as running:
        yield running


@pytest.fixture
def s3(server: S3Server, tmp_path: Path) -> Iterator[Any]:
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    for version in ("1.0.0", "1.1.0"):
        publish(release_folder(tmp_path, version=version), BUCKET, client)
    yield client
    empty(client)


def empty(s3: Any) -> None:
    """Take the bucket away with all that it holds."""
    try:
        found = s3.list_object_versions(Bucket=BUCKET)
    except s3.exceptions.NoSuchBucket:
        return
    for item in [*found.get("Versions", []), *found.get("DeleteMarkers", [])]:
        s3.delete_object(Bucket=BUCKET, Key=item["Key"], VersionId=item["VersionId"])
    s3.delete_bucket(Bucket=BUCKET)


@pytest.fixture
async def sync(server: S3Server, proxy: FaultProxy, s3: Any, tmp_path: Path) -> ModelSync:
    found = model_sync(server, proxy.port, tmp_path / "cache")
    assert await synced(OLD, found) == "1.0.0"
    return found


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "PART", 4000)
    monkeypatch.setattr(folders, "PIECE", 500)
    monkeypatch.setattr(download, "FIRST_PAUSE", 0)


def replace(s3: Any, body: bytes) -> None:
    s3.put_object(Bucket=BUCKET, Key=KEY, Body=body)


async def old_state(sync: ModelSync) -> None:
    """Nothing changed, and the next run leaves nothing behind."""
    assert versions(sync) == ["1.0.0"]
    await handle(OLD, sync)
    with CacheWriter(sync.cache).claim("sha256:" + "f" * 64):
        assert leftovers(sync) == []


async def test_an_object_that_was_truncated_is_rejected_for_its_size(
    s3: Any, sync: ModelSync
) -> None:
    replace(s3, b"short")
    assert await rejected(NEW, sync) == "wrong_size"
    await old_state(sync)


async def test_an_object_with_other_bytes_is_rejected_for_its_hash(
    s3: Any, sync: ModelSync
) -> None:
    replace(s3, b"x" * s3.head_object(Bucket=BUCKET, Key=KEY)["ContentLength"])
    assert await rejected(NEW, sync) == "wrong_hash"
    await old_state(sync)


async def test_bytes_that_change_on_the_wire_are_fetched_again_once(
    proxy: FaultProxy, sync: ModelSync
) -> None:
    proxy.on("GET", WEIGHTS, Fault(flip=True), times=1)
    assert await synced(NEW, sync) == "1.1.0"
    assert versions(sync) == ["1.0.0", "1.1.0"]


async def test_bytes_that_always_change_on_the_wire_are_rejected(
    proxy: FaultProxy, sync: ModelSync
) -> None:
    proxy.on("GET", WEIGHTS, Fault(flip=True))
    assert await rejected(NEW, sync) == "wrong_hash"
    await old_state(sync)


async def test_an_answer_of_another_size_is_no_part(proxy: FaultProxy, sync: ModelSync) -> None:
    proxy.on("GET", WEIGHTS, Fault(grow=7))
    with pytest.raises(Unavailable):
        await handle(NEW, sync)
    await old_state(sync)
    proxy.calm()
    assert await synced(NEW, sync) == "1.1.0"


@pytest.mark.parametrize("fault", [Fault(cut=700), Fault(cut=0)])
async def test_an_answer_that_was_cut_goes_on_from_its_last_byte(
    proxy: FaultProxy, sync: ModelSync, fault: Fault
) -> None:
    proxy.on("GET", WEIGHTS, fault, times=2)
    assert await synced(NEW, sync) == "1.1.0"
    assert versions(sync) == ["1.0.0", "1.1.0"]
    assert leftovers(sync) == []


async def test_a_wire_that_brings_nothing_is_given_up_and_tried_again_later(
    proxy: FaultProxy, sync: ModelSync, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "ATTEMPTS", 2)
    proxy.on("GET", WEIGHTS, Fault(cut=0))
    with pytest.raises(Unavailable):
        await handle(NEW, sync)
    assert versions(sync) == ["1.0.0"]
    proxy.calm()
    assert await synced(NEW, sync) == "1.1.0"
    assert leftovers(sync) == []


async def test_resets_at_every_tenth_chunk_cost_nothing_but_time(
    proxy: FaultProxy, sync: ModelSync
) -> None:
    proxy.on("GET", WEIGHTS, Fault(reset=10))
    assert await synced(NEW, sync) == "1.1.0"
    assert proxy.chunks > 12
    assert versions(sync) == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize("moment", ["HEAD", "GET"])
async def test_an_object_replaced_after_the_manifest_was_read_is_rejected(
    proxy: FaultProxy, s3: Any, sync: ModelSync, moment: str
) -> None:
    body = b"y" * s3.head_object(Bucket=BUCKET, Key=KEY)["ContentLength"]
    proxy.on(moment, WEIGHTS, Fault(), times=1, before=lambda: replace(s3, body))
    assert await rejected(NEW, sync) == "wrong_hash"
    await old_state(sync)


async def test_in_a_versioned_bucket_the_object_that_was_published_is_fetched(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    manifest = publish(release_folder(tmp_path, version="1.2.0"), BUCKET, s3).manifest
    assert all(entry.version_id for entry in manifest.files)
    for entry in manifest.files:
        s3.put_object(Bucket=BUCKET, Key=f"models/ner-v1.2.0/{entry.path}", Body=b"another")
    assert await synced(created("ner-v1.2.0"), sync) == "1.2.0"
    assert versions(sync) == ["1.0.0", "1.2.0"]


@pytest.mark.parametrize("where", [MANIFEST, WEIGHTS])
async def test_what_may_pass_is_tried_again_and_told_once_it_lasted(
    proxy: FaultProxy, sync: ModelSync, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("botocore.retries.standard.ExponentialBackoff.delay_amount", lambda *_: 0)
    for status, answer, code in LASTING:
        proxy.calm()
        proxy.on("*", where, Fault(refuse=(status, answer)))
        with pytest.raises(Unavailable, match=answer):
            await handle(NEW, sync)
        assert versions(sync) == ["1.0.0"]
        assert await rejected(overdue("ner-v1.1.0"), sync) == code
        await old_state(sync)
    proxy.calm()
    assert await synced(NEW, sync) == "1.1.0"
    assert leftovers(sync) == []


async def test_a_store_that_is_busy_for_a_moment_is_asked_again(
    proxy: FaultProxy, sync: ModelSync
) -> None:
    proxy.on("GET", WEIGHTS, Fault(refuse=(503, "SlowDown")), times=2)
    assert await synced(NEW, sync) == "1.1.0"


async def test_a_file_that_is_missing_is_not_taken_for_one_that_is_forbidden(
    proxy: FaultProxy, s3: Any, sync: ModelSync
) -> None:
    proxy.on("*", WEIGHTS, Fault(refuse=(403, "AccessDenied")))
    with pytest.raises(Unavailable, match="AccessDenied"):
        await handle(NEW, sync)
    proxy.calm()
    s3.delete_object(Bucket=BUCKET, Key=KEY)
    assert await rejected(NEW, sync) == "file_missing"
    await old_state(sync)


async def test_a_bucket_that_goes_while_a_file_is_fetched_is_no_missing_file(
    proxy: FaultProxy, s3: Any, sync: ModelSync
) -> None:
    proxy.on("HEAD", WEIGHTS, Fault(), times=1, before=lambda: empty(s3))
    with pytest.raises(Unavailable, match="NoSuchBucket"):
        await handle(NEW, sync)
    assert versions(sync) == ["1.0.0"]
    assert await rejected(overdue("ner-v1.1.0"), sync) == "bucket_missing"
