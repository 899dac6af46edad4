"""Notifications as S3 really sends them: many, twice, in any order, with odd keys, of other buckets."""

import json
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from eventing.events import ModelSynced
from eventing.s3 import read
from functions.model_sync.service import ModelSync
from functions.registry.bucket import configure_bucket
from functions.registry.publish import publish
from functions.registry.store import ModelStore
from tests.support.s3 import BUCKET, S3Server, created, release_folder, s3_server
from tests.support.synced import leftovers, model_sync, rejected, synced, told, versions

DELIVERIES = 10_000
ODD = [
    "documents/a b.md",
    "documents/a+b.md",
    "documents/a%2Fb.md",
    "documents/100%.md",
    "documents/résumé 半導体.md",
    "documents/🦊/🧪 & ?x=y#z.md",
]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        yield running


@pytest.fixture
def sync(server: S3Server, tmp_path: Path) -> ModelSync:
    return model_sync(server, server.port, tmp_path / "cache")


def record(key: str, number: int) -> dict[str, Any]:
    return {
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": "ObjectCreated:Put",
        "s3": {
            "bucket": {"name": BUCKET},
            "object": {"key": quote_plus(key), "sequencer": f"{number:X}"},
        },
    }


class Remembered:
    """The bucket's client, which remembers manifests: ten thousand answers are not what is tried."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._manifests: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def get_object(self, **query: Any) -> Any:
        key = query["Key"]
        if not key.endswith("model_config.json"):
            return self._client.get_object(**query)
        if key not in self._manifests:
            self._manifests[key] = self._client.get_object(**query)["Body"].read()
        return {"Body": Body(self._manifests[key])}

    def get_paginator(self, _: str) -> "Remembered":
        return self

    def paginate(self, **_: Any) -> list[Any]:
        return []


class Body:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, size: int) -> bytes:
        return self.content[:size]


async def test_ten_thousand_duplicate_and_shuffled_notifications_are_one_sync_each(
    server: S3Server, sync: ModelSync, tmp_path: Path
) -> None:
    published = ["1.9.0", "1.10.0", "1.10.1", "1.11.0-rc.1", "1.11.0"]
    for version in published:
        publish(release_folder(tmp_path, version=version), BUCKET, server.client("s3"))
    shuffled = random.Random(5)  # noqa: S311 - the same order in every run
    bodies = [
        json.dumps({"Records": [record(f"models/ner-v{version}/model_config.json", number)]})
        for number, version in enumerate(published)
        for _ in range(DELIVERIES // len(published))
    ]
    shuffled.shuffle(bodies)
    quick = replace(sync, store=ModelStore(Remembered(server.client("s3")), BUCKET))
    announced: list[str] = []
    for body in bodies:
        (event,) = read(body).events
        payload = await told(event, quick)
        if isinstance(payload, ModelSynced) and payload.version not in announced:
            announced.append(payload.version)
        assert payload is None or isinstance(payload, ModelSynced)
    assert announced[-1] == "1.11.0"
    assert versions(sync) == published[-3:]
    assert leftovers(sync) == []


async def test_a_notification_of_five_hundred_records_is_five_hundred_events_in_order(
    server: S3Server, sync: ModelSync, tmp_path: Path
) -> None:
    publish(release_folder(tmp_path), BUCKET, server.client("s3"))
    keys = [f"documents/{number}.md" for number in range(499)]
    keys.insert(250, "models/ner-v1.0.0/model_config.json")
    reading = read(json.dumps({"Records": [record(key, n) for n, key in enumerate(keys)]}))
    assert (reading.refused, reading.ignored) == ((), ())
    assert [event.subject for event in reading.events] == keys
    assert len({event.id for event in reading.events}) == 500
    payloads = [await told(event, sync) for event in reading.events]
    (payload,) = [payload for payload in payloads if payload]
    assert isinstance(payload, ModelSynced)


def test_odd_keys_arrive_through_bucket_and_queue_as_they_were_put(server: S3Server) -> None:
    s3, sqs = server.client("s3"), server.client("sqs")
    queue = configure_bucket(s3, sqs, BUCKET, "uploads")
    for key in ODD:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    subjects: set[str | None] = set()
    for _ in range(4 * len(ODD)):
        answer = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        for entry in answer.get("Messages", []):
            subjects |= {event.subject for event in read(entry["Body"]).events}
    assert subjects == set(ODD)


async def test_files_with_odd_names_are_published_and_synced(
    server: S3Server, sync: ModelSync, tmp_path: Path
) -> None:
    odd = {key.removeprefix("documents/"): key.encode() for key in ODD if ":" not in key}
    folder = release_folder(tmp_path)
    for path, content in odd.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    publish(folder, BUCKET, server.client("s3"))
    assert await synced(created("ner-v1.0.0"), sync) == "1.0.0"
    (release,) = sync.cache.releases()
    for path, content in odd.items():
        assert (release.path / path).read_bytes() == content


async def test_a_bucket_that_is_not_ours_is_refused_and_never_asked(
    server: S3Server, sync: ModelSync, tmp_path: Path
) -> None:
    other = server.client("s3")
    other.create_bucket(Bucket="theirs")
    publish(release_folder(tmp_path), "theirs", other)
    assert await rejected(created("ner-v1.0.0", bucket="theirs"), sync) == "foreign_bucket"
    assert versions(sync) == []
