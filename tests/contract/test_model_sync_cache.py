"""Several versions in model-sync's cache: which are announced, kept, shared and pruned."""

from pathlib import Path
from typing import Any

from eventing.events import ModelSynced
from functions.model_sync.in_use import nobody_knows
from functions.model_sync.service import ModelSync, handle
from functions.model_sync.transfer import verify
from functions.registry.publish import publish
from tests.support.s3 import BUCKET, created, release_folder
from tests.support.synced import InUse, told


async def test_an_older_version_is_quiet_unless_it_was_asked_for(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    for version in ("1.9.0", "1.10.0"):
        publish(release_folder(tmp_path, version=version), BUCKET, s3)
    assert isinstance(await told(created("ner-v1.10.0"), sync), ModelSynced)
    assert await told(created("ner-v1.9.0"), sync) is None
    assert [str(r.manifest.version) for r in sync.cache.releases()] == ["1.9.0", "1.10.0"]
    asked = await told(created("ner-v1.9.0", requested="true"), sync)
    assert isinstance(asked, ModelSynced)
    assert (asked.version, asked.requested) == ("1.9.0", True)
    newest = sync.cache.newest("ner")
    assert newest is not None
    assert str(newest.manifest.version) == "1.10.0"


async def test_three_versions_are_kept_and_what_serves(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    assert isinstance(sync.in_use, InUse)
    for minor in range(5):
        outcome = publish(release_folder(tmp_path, version=f"1.{minor}.0"), BUCKET, s3)
        if minor == 0:
            sync.in_use.digests.add(outcome.manifest.digest)
        await handle(created(f"ner-v1.{minor}.0"), sync)
    kept = [str(release.manifest.version) for release in sync.cache.releases()]
    assert kept == ["1.0.0", "1.2.0", "1.3.0", "1.4.0"]
    assert len(list(sync.cache.entries.iterdir())) == 4
    sync.in_use.digests.clear()
    assert await told(created("ner-v1.0.0"), sync) is None
    publish(release_folder(tmp_path, version="1.5.0"), BUCKET, s3)
    await handle(created("ner-v1.5.0"), sync)
    kept = [str(release.manifest.version) for release in sync.cache.releases()]
    assert kept == ["1.3.0", "1.4.0", "1.5.0"]


async def test_nothing_is_pruned_when_nobody_can_say_what_serves(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    blind = ModelSync(sync.settings, sync.store, sync.cache, nobody_knows("no API server"))
    for minor in range(5):
        publish(release_folder(tmp_path, version=f"1.{minor}.0"), BUCKET, s3)
        assert isinstance(await told(created(f"ner-v1.{minor}.0"), blind), ModelSynced)
    assert len(sync.cache.releases()) == 5


async def test_files_shared_with_another_release_are_linked_and_verified(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    publish(release_folder(tmp_path, version="1.1.0"), BUCKET, s3)
    await handle(created("ner-v1.0.0"), sync)
    s3.delete_object(Bucket=BUCKET, Key="models/ner-v1.1.0/onnx/model.onnx")
    assert isinstance(await told(created("ner-v1.1.0"), sync), ModelSynced)
    old, new = sync.cache.releases()
    assert (old.path / "onnx/model.onnx").samefile(new.path / "onnx/model.onnx")
    assert verify(new) == []


async def test_a_damaged_file_in_the_cache_does_not_spread(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    publish(release_folder(tmp_path), BUCKET, s3)
    publish(release_folder(tmp_path, version="1.1.0"), BUCKET, s3)
    await handle(created("ner-v1.0.0"), sync)
    (old,) = sync.cache.releases()
    damaged = old.path / "onnx/model.onnx"
    size = damaged.stat().st_size
    damaged.chmod(0o644)
    damaged.write_bytes(b"!" * size)
    assert verify(old) == ["onnx/model.onnx"]
    assert isinstance(await told(created("ner-v1.1.0"), sync), ModelSynced)
    new = sync.cache.newest("ner")
    assert new is not None
    assert verify(new) == []


async def test_a_pinned_version_is_never_pruned(s3: Any, sync: ModelSync, tmp_path: Path) -> None:
    for minor in range(5):
        publish(release_folder(tmp_path, version=f"1.{minor}.0"), BUCKET, s3)
        if minor == 0:
            sync.store.pin("ner-v1.0.0")
            sync.store.pin("ner-v1.0.0")
        await handle(created(f"ner-v1.{minor}.0"), sync)
    kept = [str(release.manifest.version) for release in sync.cache.releases()]
    assert kept == ["1.0.0", "1.2.0", "1.3.0", "1.4.0"]
    sync.store.unpin("ner-v1.0.0")
    sync.store.unpin("ner-v1.0.0")
    await handle(created("ner-v1.4.0"), sync)
    assert [str(release.manifest.version) for release in sync.cache.releases()] == kept[1:]
