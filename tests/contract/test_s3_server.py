"""The laptop's S3 keeps what it answered, however it ends; boto3 does not know the difference."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError

from eventing.s3 import read_document
from functions.registry.bucket import DEAD_LETTERS, RECEIVES, configure_bucket
from tests.support.s3 import BUCKET, QUEUE, S3Server, s3_server


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as running:
        yield running


def versions(s3: Any) -> list[tuple[Any, ...]]:
    listing = s3.list_object_versions(Bucket=BUCKET)
    items = [*listing.get("Versions", []), *listing.get("DeleteMarkers", [])]
    fields = ("Key", "VersionId", "ETag", "Size", "IsLatest", "LastModified")
    return sorted(tuple(str(item.get(f)) for f in fields) for item in items)


def drain(sqs: Any, url: str) -> list[dict[str, Any]]:
    found = []
    while batch := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for entry in batch:
            found.append(json.loads(entry["Body"]))
            sqs.delete_message(QueueUrl=url, ReceiptHandle=entry["ReceiptHandle"])
    return found


def keys(bodies: list[dict[str, Any]]) -> list[str]:
    records = [record for body in bodies for record in body.get("Records", [])]
    return [unquote_plus(record["s3"]["object"]["key"]) for record in records]


def test_a_kill_loses_nothing_that_was_answered(server: S3Server, tmp_path: Path) -> None:
    s3, sqs = server.client("s3"), server.client("sqs")
    url = configure_bucket(s3, sqs, BUCKET, QUEUE)
    big = tmp_path / "big"
    big.write_bytes(os.urandom(20 << 20))
    s3.upload_file(str(big), BUCKET, "models/a b+c/é🎉.bin", ExtraArgs={"Metadata": {"sha": "1"}})
    s3.put_object(Bucket=BUCKET, Key="twice", Body=b"old")
    s3.put_object(Bucket=BUCKET, Key="twice", Body=b"new", ContentType="text/plain")
    s3.put_object(Bucket=BUCKET, Key="gone", Body=b"x")
    s3.delete_object(Bucket=BUCKET, Key="gone")
    s3.put_object(Bucket=BUCKET, Key="empty", Body=b"")
    before = versions(s3)

    server.restart()

    assert versions(s3) == before
    answer = s3.get_object(Bucket=BUCKET, Key="models/a b+c/é🎉.bin")
    assert answer["Body"].read() == big.read_bytes()
    assert answer["Metadata"] == {"sha": "1"}
    newest = s3.get_object(Bucket=BUCKET, Key="twice")
    assert (newest["Body"].read(), newest["ContentType"]) == (b"new", "text/plain")
    ranged = s3.get_object(Bucket=BUCKET, Key="twice", Range="bytes=1-1")
    assert ranged["Body"].read() == b"e"
    with pytest.raises(ClientError, match="NoSuchKey"):
        s3.get_object(Bucket=BUCKET, Key="gone")
    assert {"models/a b+c/é🎉.bin", "twice", "gone", "empty"} <= set(keys(drain(sqs, url)))


def test_what_was_taken_from_the_queue_does_not_come_back(server: S3Server) -> None:
    s3, sqs = server.client("s3"), server.client("sqs")
    url = configure_bucket(s3, sqs, BUCKET, QUEUE)
    s3.put_object(Bucket=BUCKET, Key="one", Body=b"1")
    assert drain(sqs, url)
    server.restart()
    s3.put_object(Bucket=BUCKET, Key="two", Body=b"2")
    assert keys(drain(sqs, url)) == ["two"]


def test_configuring_a_bucket_again_changes_nothing(server: S3Server) -> None:
    s3, sqs = server.client("s3"), server.client("sqs")
    first = configure_bucket(s3, sqs, BUCKET, QUEUE)
    drain(sqs, first)
    server.restart()
    assert configure_bucket(s3, sqs, BUCKET, QUEUE) == first
    assert drain(sqs, first) == []
    configured = s3.get_bucket_notification_configuration(Bucket=BUCKET)
    ids = [item["Id"] for item in configured["QueueConfigurations"]]
    assert ids == ["marketresearch", "marketresearch-removed"]
    assert s3.get_bucket_versioning(Bucket=BUCKET)["Status"] == "Enabled"


def test_what_nobody_can_deal_with_leaves_the_queue_and_waits_for_a_person(
    server: S3Server,
) -> None:
    s3, sqs = server.client("s3"), server.client("sqs")
    url = configure_bucket(s3, sqs, BUCKET, QUEUE)
    drain(sqs, url)
    sqs.send_message(QueueUrl=url, MessageBody="no notification")
    server.restart()
    for _ in range(RECEIVES):
        assert sqs.receive_message(QueueUrl=url, VisibilityTimeout=0).get("Messages")
    assert not sqs.receive_message(QueueUrl=url).get("Messages")
    server.restart()
    dead = sqs.get_queue_url(QueueName=QUEUE + DEAD_LETTERS)["QueueUrl"]
    (message,) = sqs.receive_message(QueueUrl=dead)["Messages"]
    assert message["Body"] == "no notification"


def test_a_redrive_policy_of_the_owners_own_is_kept(server: S3Server) -> None:
    s3, sqs = server.client("s3"), server.client("sqs")
    own = sqs.create_queue(QueueName="own")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=own, AttributeNames=["QueueArn"])["Attributes"]
    policy = json.dumps({"deadLetterTargetArn": arn["QueueArn"], "maxReceiveCount": 3})
    sqs.create_queue(QueueName=QUEUE, Attributes={"RedrivePolicy": policy})
    url = configure_bucket(s3, sqs, BUCKET, QUEUE)
    found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["RedrivePolicy"])
    assert json.loads(found["Attributes"]["RedrivePolicy"]) == json.loads(policy)


def test_a_removed_document_is_told_and_a_removed_model_is_not(server: S3Server) -> None:
    s3, sqs = server.client("s3"), server.client("sqs")
    url = configure_bucket(s3, sqs, BUCKET, QUEUE)
    server.restart()
    for key in ("documents/a b.md", "documents/c.md", "models/ner-v1.0.0/config.json"):
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"x")
    drain(sqs, url)
    s3.delete_object(Bucket=BUCKET, Key="models/ner-v1.0.0/config.json")
    s3.delete_object(Bucket=BUCKET, Key="documents/a b.md")
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "documents/c.md"}]})
    events = [event for body in drain(sqs, url) for event in read_document(body).events]
    assert [(event.type, event.subject) for event in events] == [
        ("com.amazonaws.s3.ObjectRemoved:DeleteMarkerCreated", "documents/a b.md"),
        ("com.amazonaws.s3.ObjectRemoved:DeleteMarkerCreated", "documents/c.md"),
    ]


def test_a_bucket_that_told_of_uploads_only_is_told_of_removals_too(server: S3Server) -> None:
    s3, sqs = server.client("s3"), server.client("sqs")
    configure_bucket(s3, sqs, BUCKET, QUEUE)
    queues = s3.get_bucket_notification_configuration(Bucket=BUCKET)["QueueConfigurations"]
    before = [{**item, "Id": "by hand"} for item in queues if item["Id"] == "marketresearch"]
    s3.put_bucket_notification_configuration(
        Bucket=BUCKET, NotificationConfiguration={"QueueConfigurations": before}
    )
    configure_bucket(s3, sqs, BUCKET, QUEUE)
    after = s3.get_bucket_notification_configuration(Bucket=BUCKET)["QueueConfigurations"]
    assert [item["Id"] for item in after] == ["by hand", "marketresearch-removed"]


def test_deleted_objects_leave_no_files(server: S3Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for number in range(5):
        s3.put_object(Bucket=BUCKET, Key="same", Body=b"x" * number)
    assert len(list((server.folder / "objects").iterdir())) == 2
    s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": "same"}]})
    assert list((server.folder / "objects").iterdir()) == []
