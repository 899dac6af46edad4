"""model-sync against the S3 API over HTTP: either the verified release, or the old state."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventing.cloudevent import CloudEvent
from eventing.events import ModelRejected, ModelSynced
from functions.model_sync import transfer
from functions.model_sync.service import ModelSync, handle
from functions.model_sync.transfer import Transfer, verify
from functions.registry.cache_writer import CacheWriter
from functions.registry.publish import publish
from functions.registry.store import ModelStore, connect
from functions.runtime.errors import BadRequest, Conflict, Unavailable
from tests.support.s3 import BUCKET, S3Server, created, release_folder
from tests.support.synced import leftovers, told


def rewrite(s3: Any, folder: str, **changes: Any) -> None:
    """Change a published manifest, its digest made to fit."""
    key = f"models/{folder}/model_config.json"
    document = json.loads(s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()) | changes
    rows = sorted([f["path"], f["size"], f["sha256"]] for f in document["files"])
    canonical = json.dumps(rows, separators=(",", ":")).encode()
    document["digest"] = f"sha256:{hashlib.sha256(canonical).hexdigest()}"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(document).encode())


def files_named(name: str, root: Path) -> list[Path]:
    return list(root.rglob(name))


async def test_an_upload_becomes_a_verified_release(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    folder = release_folder(tmp_path)
    outcome = publish(folder, BUCKET, s3)
    payload = await told(created("ner-v1.0.0"), sync)
    digest = outcome.manifest.digest
    uri = f"s3://{BUCKET}/models/ner-v1.0.0"
    assert payload == ModelSynced("ner", "1.0.0", digest, uri, "ner", requested=False)
    release = sync.cache.release(digest)
    assert sync.cache.newest("ner") == release
    assert verify(release) == []
    for entry in release.manifest.files:
        assert (release.path / entry.path).read_bytes() == (folder / entry.path).read_bytes()
    assert leftovers(sync) == []


async def test_the_same_event_again_gives_the_same_answer_and_fetches_nothing(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    first = await handle(created("ner-v1.0.0"), sync)
    s3.delete_object(Bucket=BUCKET, Key="models/ner-v1.0.0/model.safetensors")
    assert await handle(created("ner-v1.0.0"), sync) == first


async def test_a_half_finished_upload_is_no_release(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    s3.delete_object(Bucket=BUCKET, Key="models/ner-v1.0.0/model_config.json")
    weights = CloudEvent("1", f"aws:s3.us-east-1.{BUCKET}", "com.amazonaws.s3.ObjectCreated:Put")
    for key in ("models/ner-v1.0.0/model.safetensors", "models/ner-v1.0.0/onnx/model_config.json"):
        event = CloudEvent(weights.id, weights.source, weights.type, subject=key)
        assert await handle(event, sync) is None
    payload = await told(created("ner-v1.0.0"), sync)
    assert isinstance(payload, ModelRejected)
    assert payload.code == "manifest_missing"
    assert sync.cache.releases() == []


async def test_wrong_bytes_are_rejected_and_the_old_version_stays(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    await handle(created("ner-v1.0.0"), sync)
    publish(release_folder(tmp_path, version="1.1.0"), BUCKET, s3)
    key = "models/ner-v1.1.0/model.safetensors"
    size = s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"]
    for body, code in [(b"x" * size, "wrong_hash"), (b"short", "wrong_size")]:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)
        payload = await told(created("ner-v1.1.0"), sync)
        assert isinstance(payload, ModelRejected)
        assert payload.code == code
        assert "model.safetensors" in payload.reason
    s3.delete_object(Bucket=BUCKET, Key=key)
    payload = await told(created("ner-v1.1.0"), sync)
    assert isinstance(payload, ModelRejected)
    assert payload.code == "file_missing"
    assert [str(r.manifest.version) for r in sync.cache.releases()] == ["1.0.0"]
    assert leftovers(sync) == []


@pytest.mark.parametrize("path", ["../../escaped", "/etc/escaped", "a\\..\\b", "weights.bin"])
async def test_a_manifest_that_breaks_a_rule_is_rejected(
    s3: Any, sync: ModelSync, tmp_path: Path, path: str
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    rewrite(s3, "ner-v1.0.0", files=[{"path": path, "size": 1, "sha256": "0" * 64}], golden=None)
    payload = await told(created("ner-v1.0.0"), sync)
    assert isinstance(payload, ModelRejected)
    assert payload.code == "invalid_manifest"
    assert files_named("escaped", tmp_path) == []


async def test_a_manifest_must_be_where_it_says_it_is(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    rewrite(s3, "ner-v1.0.0", version="9.0.0")
    payload = await told(created("ner-v1.0.0"), sync)
    assert isinstance(payload, ModelRejected)
    assert payload.code == "invalid_manifest"


async def test_events_that_are_not_for_us(sync: ModelSync) -> None:
    foreign = await told(created("ner-v1.0.0", bucket="their.bucket"), sync)
    assert isinstance(foreign, ModelRejected)
    assert foreign.code == "foreign_bucket"
    unnamed = await told(created("not-a-release"), sync)
    assert isinstance(unnamed, ModelRejected)
    assert unnamed.code == "invalid_manifest"
    ping = CloudEvent("1", "/ping", "dev.knative.sources.ping")
    assert await handle(ping, sync) is None
    for source, subject in [("aws:s3", "models/ner-v1.0.0/model_config.json"), ("a.b.c", None)]:
        event = CloudEvent("1", source, "com.amazonaws.s3.ObjectCreated:Put", subject=subject)
        with pytest.raises(BadRequest):
            await handle(event, sync)


async def test_a_passing_fault_is_tried_again_and_then_succeeds(
    server: S3Server, s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    s3.delete_object(Bucket=BUCKET, Key="none")
    unreachable = server.environ() | {"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}
    store = ModelStore(connect("s3", unreachable), BUCKET)
    down = ModelSync(sync.settings, store, sync.cache, sync.in_use)
    with pytest.raises(Unavailable):
        await handle(created("ner-v1.0.0"), down)
    gone = ModelSync(sync.settings, ModelStore(s3, "no-such-bucket"), sync.cache, sync.in_use)
    with pytest.raises(Unavailable):
        await handle(created("ner-v1.0.0"), gone)
    assert isinstance(await told(created("ner-v1.0.0"), sync), ModelSynced)


async def test_while_one_sync_works_another_of_the_same_release_is_told_to_come_again(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    digest = publish(release_folder(tmp_path), BUCKET, s3).manifest.digest
    with CacheWriter(sync.cache).claim(digest), pytest.raises(Conflict):
        await handle(created("ner-v1.0.0"), sync)
    assert isinstance(await told(created("ner-v1.0.0"), sync), ModelSynced)


async def test_a_release_that_does_not_fit_is_rejected_before_a_byte_is_fetched(
    s3: Any, sync: ModelSync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    monkeypatch.setattr(transfer, "SPARE", shutil.disk_usage(tmp_path).total)
    payload = await told(created("ner-v1.0.0"), sync)
    assert isinstance(payload, ModelRejected)
    assert payload.code == "no_space"
    assert leftovers(sync) == []


async def test_a_killed_transfer_goes_on_where_it_stopped(
    s3: Any, sync: ModelSync, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.registry.folders.PART", 1000)
    manifest = publish(release_folder(tmp_path), BUCKET, s3).manifest
    fetched: list[str] = []
    real = ModelStore._pieces

    def pieces(self: ModelStore, key: str, condition: Any, part: Any) -> Iterator[memoryview]:
        if len(fetched) == 4:
            raise OSError("the wire was cut")
        fetched.append(f"{key} {part.start}")
        return real(self, key, condition, part)

    monkeypatch.setattr(ModelStore, "_pieces", pieces)
    with pytest.raises(Unavailable, match="cut"):
        await handle(created("ner-v1.0.0"), sync)
    before = list(fetched)
    fetched[:] = [""] * 5
    Transfer(sync.store, sync.cache).run(manifest)
    assert not set(before) & set(fetched[5:])
    assert verify(sync.cache.release(manifest.digest)) == []
