"""`s3://`, `gs://`, `file://` and `hf://`: whichever way a release comes, it is the same entry."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from functions.model_sync.transfer import Transfer, verify
from functions.registry.cache import ModelCache
from functions.registry.errors import ManifestInvalid, ObjectMissing, Refused, StoreUnavailable
from functions.registry.publish import publish
from functions.registry.sources import GOOGLE, bucket_of, local_folder, open_release
from tests.support.hub import hub
from tests.support.s3 import BUCKET, S3Server, release_folder, s3_server

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        publish(release_folder(tmp_path_factory.mktemp("r")), BUCKET, running.client("s3"))
        yield running


def test_every_source_gives_the_same_entry(server: S3Server, tmp_path: Path) -> None:
    folder = release_folder(tmp_path)
    repository = tmp_path / "repository"
    shutil.copytree(folder, repository)
    (repository / ".gitattributes").write_text("*.safetensors filter=lfs\n")
    (repository / "pytorch_model.bin").write_bytes(b"a pickle")
    found = set()
    with hub(repository) as endpoint:
        s3 = server.environ()
        sources = {
            f"s3://{BUCKET}/models/ner-v1.0.0": s3,
            f"gs://{BUCKET}/models/ner-v1.0.0": s3 | {"GS_ENDPOINT_URL": s3["AWS_ENDPOINT_URL"]},
            f"file://{folder}": {},
            "hf://acme/ner@v1": {"HF_ENDPOINT": endpoint},
        }
        for number, (uri, environ) in enumerate(sources.items()):
            cache = ModelCache(tmp_path / f"cache{number}")
            with open_release(uri, environ, NOW) as (store, manifest):
                release = Transfer(store, cache).run(manifest)
            assert verify(release) == []
            found.add((release.digest, *sorted(path.name for path in release.path.rglob("*"))))
    assert len(found) == 1


def test_a_folder_as_it_was_published_keeps_its_manifest(tmp_path: Path) -> None:
    cache = ModelCache(tmp_path / "cache")
    with open_release(f"file://{release_folder(tmp_path)}", {}, NOW) as (store, manifest):
        release = Transfer(store, cache).run(manifest)
    copy = ModelCache(tmp_path / "copy")
    with open_release(f"file://{release.path}", {}, NOW) as (store, again):
        assert again == manifest
        (release.path / "config.json").unlink()
        with pytest.raises(Refused, match="missing"):
            Transfer(store, copy).run(again)
    assert copy.releases() == []


def test_a_repository_without_a_release_file_is_given_one(tmp_path: Path) -> None:
    folder = release_folder(tmp_path)
    head = (folder / "release.json").rename(tmp_path / "head.json")
    with hub(folder) as endpoint:
        environ = {"HF_ENDPOINT": endpoint}
        with (
            pytest.raises(Refused, match=r"release\.json"),
            local_folder("hf://acme/ner@v1", environ),
        ):
            pass
        with local_folder("hf://acme/ner@v1", environ, head) as path:
            assert path.name == "ner-v1.0.0"
            assert (path / "model.safetensors").is_file()
        assert not path.exists()


@pytest.mark.parametrize(
    ("uri", "error"),
    [
        ("hf://acme/nothing@v1", Refused),
        ("hf://acme/ner@v2", Refused),
        ("hf://not a name", Refused),
        ("ftp://host/ner-v1.0.0", Refused),
        ("file:///nowhere/ner-v1.0.0", Refused),
    ],
)
def test_a_source_that_is_not_there_is_refused(
    tmp_path: Path, uri: str, error: type[Exception]
) -> None:
    with (
        hub(release_folder(tmp_path)) as endpoint,
        pytest.raises(error),
        open_release(uri, {"HF_ENDPOINT": endpoint}, NOW),
    ):
        pass


def test_a_hub_that_does_not_answer_is_a_passing_fault() -> None:
    away = {"HF_ENDPOINT": "http://127.0.0.1:9"}
    with pytest.raises(StoreUnavailable), local_folder("hf://acme/ner@v1", away):
        pass


def test_a_bucket_without_the_release_says_so(server: S3Server) -> None:
    for folder, error in [("ner-v9.0.0", ObjectMissing), ("ner", ManifestInvalid)]:
        with (
            pytest.raises((error, ObjectMissing)),
            open_release(f"s3://{BUCKET}/models/{folder}", server.environ(), NOW),
        ):
            pass


def test_googles_buckets_are_reached_by_its_s3_endpoint() -> None:
    bucket, environ = bucket_of("gs://mine", {"AWS_ENDPOINT_URL": "http://other"})
    assert (bucket, environ["AWS_ENDPOINT_URL"]) == ("mine", GOOGLE)
    assert bucket_of("s3://mine", {}) == bucket_of("mine", {}) == ("mine", {})
