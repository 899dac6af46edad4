"""Repair by listing: one release that cannot be read is no reason to leave the others broken."""

from pathlib import Path
from typing import Any

from functions.model_sync.service import ModelSync
from functions.registry.publish import publish
from scripts.model_resync import newest
from scripts.target import Target
from tests.support.s3 import BUCKET, release_folder


async def test_the_newest_version_that_can_be_read_is_announced_of_every_model(
    s3: Any, sync: ModelSync, tmp_path: Path
) -> None:
    for name, version in (("ner", "1.9.0"), ("ner", "1.10.0"), ("other", "1.0.0")):
        publish(release_folder(tmp_path, name=name, version=version), BUCKET, s3)
    where = Target(None, sync.store, "")  # type: ignore[arg-type] # no cluster is asked
    assert [one.folder for one in await newest(where)] == ["ner-v1.10.0", "other-v1.0.0"]
    s3.put_object(Bucket=BUCKET, Key="models/ner-v1.10.0/model_config.json", Body=b"{")
    assert [one.folder for one in await newest(where)] == ["ner-v1.9.0", "other-v1.0.0"]
