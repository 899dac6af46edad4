"""The index's backups in a real S3 server: whole or none, the newest of the right embedder."""

import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from functions.embed_rebuild.backup import INDEXES, KEEP, LIST, Backups
from functions.index import generation
from functions.index.store import IndexStore
from functions.registry.folders import Folders
from functions.registry.store import connect
from tests.support.s3 import S3Server, s3_server

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
NOW = datetime(2025, 1, 1, 2, tzinfo=UTC)
DAY = timedelta(days=1)
EVERY = timedelta(hours=12)
MANIFEST = generation.Manifest("", ONE, "1.0.0", "c", "sha256:0", 1, 1, 1, 1.0, "2025-01-01")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def backups(server: S3Server, request: pytest.FixtureRequest) -> Backups:
    bucket = f"b{abs(hash(request.node.name))}"
    server.client("s3").create_bucket(Bucket=bucket)
    return Backups(Folders(connect("s3", server.environ()), bucket, INDEXES), EVERY)


@pytest.fixture
def store(tmp_path: Path) -> IndexStore:
    return IndexStore(tmp_path / "index")


@pytest.fixture
def empty(tmp_path: Path) -> IndexStore:
    return IndexStore(tmp_path / "empty")


def build(store: IndexStore, now: datetime, embedder: str = ONE) -> str:
    with store.building(now) as folder:
        manifest = replace(MANIFEST, generation=generation.name_of(folder), embedder=embedder)
        (folder / generation.MANIFEST).write_text(json.dumps(asdict(manifest)))
        (folder / "chroma").mkdir()
        (folder / "chroma/data_level0.bin").write_bytes(now.isoformat().encode() * 100)
        return store.publish(folder, embedder, store.current(embedder))


def contents(store: IndexStore, name: str) -> dict[str, bytes]:
    root = store.path(name)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def test_an_empty_volume_begins_with_what_was_backed_up(
    backups: Backups, store: IndexStore, empty: IndexStore
) -> None:
    name = build(store, NOW)
    assert backups.save(store, ONE, NOW)
    assert backups.restore(empty, ONE, NOW + DAY)
    assert empty.current(ONE) == name
    assert contents(empty, name) == contents(store, name)
    assert empty.manifest(ONE) == store.manifest(ONE)


def test_an_index_that_is_there_is_never_replaced(backups: Backups, store: IndexStore) -> None:
    build(store, NOW)
    backups.save(store, ONE, NOW)
    newer = build(store, NOW + DAY)
    assert backups.restore(store, ONE, NOW + DAY) is None
    assert store.current(ONE) == newer


def test_a_generation_that_is_still_there_is_not_fetched(
    backups: Backups, store: IndexStore, server: S3Server
) -> None:
    name = build(store, NOW)
    backups.save(store, ONE, NOW)
    (record,) = (store.root / "current").iterdir()
    record.unlink()
    key = f"{INDEXES}/{name}/chroma/data_level0.bin"
    server.client("s3").delete_object(Bucket=backups.folders.bucket, Key=key)
    assert backups.restore(store, ONE, NOW)
    assert store.current(ONE) == name


def test_without_a_backup_of_this_embedder_nothing_is_restored(
    backups: Backups, store: IndexStore, empty: IndexStore
) -> None:
    assert backups.save(store, ONE, NOW) is None
    build(store, NOW, OTHER)
    backups.save(store, OTHER, NOW)
    assert backups.restore(empty, ONE, NOW) is None
    assert empty.embedders() == []


def test_a_backup_whose_upload_did_not_end_is_none(
    backups: Backups, store: IndexStore, empty: IndexStore, server: S3Server
) -> None:
    first = build(store, NOW)
    backups.save(store, ONE, NOW)
    second = build(store, NOW + DAY)
    backups.save(store, ONE, NOW + DAY)
    key = f"{INDEXES}/{second}/{LIST}"
    server.client("s3").delete_object(Bucket=backups.folders.bucket, Key=key)
    assert backups.restore(empty, ONE, NOW)
    assert empty.current(ONE) == first
    third = build(store, NOW + 2 * DAY)
    backups.save(store, ONE, NOW + 2 * DAY)
    assert set(backups.folders.names()) == {first, third}


@pytest.mark.parametrize("harm", ["damaged", "gone", "..", "no list"])
def test_a_backup_that_is_not_what_its_list_says_gives_way_to_the_one_before(
    backups: Backups, store: IndexStore, empty: IndexStore, server: S3Server, harm: str
) -> None:
    first = build(store, NOW)
    backups.save(store, ONE, NOW)
    second = build(store, NOW + DAY)
    backups.save(store, ONE, NOW + DAY)
    s3, place = server.client("s3"), {"Bucket": backups.folders.bucket}
    data, listed = f"{INDEXES}/{second}/chroma/data_level0.bin", f"{INDEXES}/{second}/{LIST}"
    size = s3.head_object(**place, Key=data)["ContentLength"]
    text = s3.get_object(**place, Key=listed)["Body"].read()
    if harm == "damaged":
        s3.put_object(**place, Key=data, Body=b"?" * size)
    elif harm == "gone":
        s3.delete_object(**place, Key=data)
    else:
        bad = text.replace(b"chroma/data_level0.bin", b"../../x.bin") if harm == ".." else b"[]"
        s3.put_object(**place, Key=listed, Body=bad)
    assert backups.restore(empty, ONE, NOW)
    assert empty.current(ONE) == first
    assert [path.name for path in (empty.root / "generations").iterdir()] == [first]


def test_a_backup_is_made_when_it_is_time_and_the_newest_ones_are_kept(
    backups: Backups, store: IndexStore
) -> None:
    kept = []
    for day in range(KEEP + 2):
        now = NOW + day * DAY
        kept.append(build(store, now))
        backups.keep(store, ONE, now)
        build(store, now + EVERY / 2)  # too soon for another
        backups.keep(store, ONE, now + EVERY / 2)
    assert sorted(backups.folders.names()) == kept[-KEEP:]


def test_a_store_that_is_away_is_no_fault_of_the_index(
    store: IndexStore, caplog: pytest.LogCaptureFixture, server: S3Server
) -> None:
    name = build(store, NOW)
    nowhere = Folders(connect("s3", server.environ()), "no-such-bucket", INDEXES)
    Backups(nowhere, EVERY).keep(store, ONE, NOW)
    assert store.current(ONE) == name
    assert "not backed up" in caplog.text
