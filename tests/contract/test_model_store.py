"""Releases in a bucket, over the S3 API: published, listed and removed."""

from pathlib import Path
from typing import Any

import pytest

from functions.registry.errors import Refused
from functions.registry.publish import publish
from functions.registry.store import ModelStore
from tests.support.s3 import BUCKET, release_folder


def test_publishing_the_same_version_with_other_files_is_refused(s3: Any, tmp_path: Path) -> None:
    folder = release_folder(tmp_path)
    first = publish(folder, BUCKET, s3)
    again = publish(folder, BUCKET, s3)
    assert (again.existed, again.sent) == (True, 0)
    (folder / "tokenizer.json").write_text("{ }")
    with pytest.raises(Refused, match="for ever"):
        publish(folder, BUCKET, s3)
    store = ModelStore(s3, BUCKET)
    assert store.manifest("ner-v1.0.0").digest == first.manifest.digest


def test_an_interrupted_upload_sends_only_what_is_missing(s3: Any, tmp_path: Path) -> None:
    folder = release_folder(tmp_path)
    publish(folder, BUCKET, s3)
    s3.delete_object(Bucket=BUCKET, Key="models/ner-v1.0.0/model_config.json")
    s3.delete_object(Bucket=BUCKET, Key="models/ner-v1.0.0/config.json")
    assert publish(folder, BUCKET, s3).sent == (folder / "config.json").stat().st_size


def test_a_removed_release_is_gone_and_its_namesakes_are_not(s3: Any, tmp_path: Path) -> None:
    for version in ("1.1.0", "1.1.0-rc.1", "1.1.10"):
        publish(release_folder(tmp_path, version=version), BUCKET, s3)
    store = ModelStore(s3, BUCKET)
    store.remove("ner-v1.1.0")
    assert [item.folder for item in store.releases()] == ["ner-v1.1.0-rc.1", "ner-v1.1.10"]
    left = s3.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert not [item["Key"] for item in left if item["Key"].startswith("models/ner-v1.1.0/")]


def test_listing_finds_exact_names_with_a_manifest(s3: Any, tmp_path: Path) -> None:
    for version in ("1.1.0", "1.10.0"):
        publish(release_folder(tmp_path, version=version), BUCKET, s3)
    publish(release_folder(tmp_path, name="ner-large"), BUCKET, s3)
    s3.put_object(Bucket=BUCKET, Key="models/ner-v2.0.0/config.json", Body=b"half")
    s3.put_object(Bucket=BUCKET, Key="models/readme/x", Body=b"")
    store = ModelStore(s3, BUCKET)
    assert [item.folder for item in store.releases("ner")] == ["ner-v1.1.0", "ner-v1.10.0"]
    assert [item.folder for item in store.releases()][-1] == "ner-large-v1.0.0"
