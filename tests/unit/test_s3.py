"""Every dress an S3 notification comes in, and what becomes of it."""

import json
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote_plus

import pytest

from eventing.s3 import Reading, read, read_document


def record(key: str = "a.txt", **changes: Any) -> dict[str, Any]:
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "eu-central-1",
        "eventTime": "2026-01-02T03:04:05.678Z",
        "eventName": "ObjectCreated:Put",
        "responseElements": {"x-amz-request-id": "REQ", "x-amz-id-2": "ID2+/="},
        "s3": {
            "bucket": {"name": "my-bucket"},
            "object": {"key": key, "eTag": "e", "size": 3, "sequencer": "0055AED6DCD90281E5"},
        },
    } | changes


def notification(*records: dict[str, Any]) -> str:
    return json.dumps({"Records": records})


def subjects(reading: Reading) -> list[str | None]:
    return [event.subject for event in reading.events]


def test_a_record_has_the_attributes_of_the_aws_s3_adapter() -> None:
    (event,) = read(notification(record())).events
    assert event.type == "com.amazonaws.s3.ObjectCreated:Put"
    assert event.source == "aws:s3.eu-central-1.my-bucket"
    assert event.subject == "a.txt"
    assert event.id == "REQ.ID2+/="
    assert event.time == datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
    assert event.data == record()


@pytest.mark.parametrize(
    ("encoded", "key"),
    [
        ("a+b.txt", "a b.txt"),
        ("a%20b.txt", "a b.txt"),
        ("a%2Bb.txt", "a+b.txt"),
        ("a%2Fb.txt", "a/b.txt"),
        ("documents/r%C3%A9sum%C3%A9.md", "documents/résumé.md"),
        ("%F0%9F%A6%8A.md", "🦊.md"),
        ("100%25.md", "100%.md"),
        ("100%2525.md", "100%25.md"),
        ("a/../b", "a/../b"),
        ("%E2%80%AEexe.txt", "\u202eexe.txt"),
        ("folder/", "folder/"),
    ],
)
def test_keys_arrive_encoded_and_leave_decoded(encoded: str, key: str) -> None:
    assert subjects(read(notification(record(encoded)))) == [key]
    assert quote_plus(key) == quote_plus(subjects(read(notification(record(encoded))))[0] or "")


@pytest.mark.parametrize("key", ["%FF", "a%00b", "a%0Ab", "", None, 7])
def test_a_key_that_cannot_be_a_subject_is_refused(key: Any) -> None:
    reading = read(notification(record(key)))
    assert (len(reading.events), len(reading.refused)) == (0, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_numbers_that_json_does_not_have_are_refused(number: str) -> None:
    body = notification(record(), record()).replace('"size": 3', f'"size": {number}', 1)
    reading = read(body)
    assert subjects(reading) == ["a.txt"]
    assert reading.refused == ("record 0: it holds what is not JSON",)


def test_several_records_are_several_events_in_order() -> None:
    assert subjects(read(notification(*[record(f"{n}") for n in range(5)]))) == list("01234")


def test_one_bad_record_does_not_cost_the_others() -> None:
    reading = read(notification(record("a"), record("b", eventSource="aws:ses"), record("c")))
    assert subjects(reading) == ["a", "c"]
    assert reading.refused == ("record 1: eventSource 'aws:ses' is not S3's",)


def test_objects_removed_by_one_request_have_ids_of_their_own() -> None:
    removed = [record(key, eventName="ObjectRemoved:Delete") for key in ("a", "b")]
    first, second = read(notification(*removed)).events
    assert first.id != second.id
    assert first.id.startswith("REQ.ID2+/=.")


def test_the_test_event_is_acknowledged_and_dropped() -> None:
    body = json.dumps({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"})
    assert read(body) == Reading(ignored=("s3:TestEvent",))


def test_no_records_are_nothing() -> None:
    assert read('{"Records": []}') == Reading(ignored=("no records",))


def test_sns_in_sqs_is_unwrapped() -> None:
    body = json.dumps({"Type": "Notification", "Message": notification(record("x"))})
    assert subjects(read(body)) == ["x"]


def test_the_body_that_an_integration_source_sends_is_read() -> None:
    assert subjects(read_document(notification(record("x")))) == ["x"]
    assert subjects(read_document(json.loads(notification(record("x"))))) == ["x"]
    assert subjects(read(json.dumps(notification(record("x"))))) == ["x"]


def test_minio_is_read_and_has_a_deterministic_id() -> None:
    body = json.dumps(
        {
            "EventName": "s3:ObjectCreated:Put",
            "Key": "my-bucket/a b.txt",
            "Records": [
                record(
                    "a+b.txt",
                    eventSource="minio:s3",
                    awsRegion="",
                    eventName="s3:ObjectCreated:Put",
                    responseElements={"x-amz-request-id": "17", "x-minio-origin-endpoint": "h"},
                )
            ],
        }
    )
    (event,), (again,) = read(body).events, read(body).events
    assert event.type == "com.amazonaws.s3.ObjectCreated:Put"
    assert event.source == "minio:s3..my-bucket"
    assert event.subject == "a b.txt"
    assert event.id == again.id
    assert len(event.id) == 32


@pytest.mark.parametrize(
    "change",
    [{"eventTime": "2026-01-02T03:04:06Z"}, {"eventName": "ObjectCreated:Copy"}],
)
def test_a_derived_id_differs_when_something_else_happened(change: dict[str, Any]) -> None:
    plain = record(responseElements={})
    first, second = read(notification(plain, plain | change)).events
    assert first.id != second.id


def eventbridge(**changes: Any) -> str:
    return json.dumps(
        {
            "version": "0",
            "id": "17793124",
            "detail-type": "Object Created",
            "source": "aws.s3",
            "time": "2026-01-02T03:04:05Z",
            "region": "eu-central-1",
            "detail": {
                "bucket": {"name": "my-bucket"},
                "object": {"key": "a b+c%20.txt", "etag": "e", "size": 5, "sequencer": "61"},
                "reason": "CompleteMultipartUpload",
            },
        }
        | changes
    )


def test_eventbridge_keys_were_never_encoded_and_its_data_is_a_record_too() -> None:
    (event,) = read(eventbridge()).events
    assert event.subject == "a b+c%20.txt"
    assert event.type == "com.amazonaws.s3.ObjectCreated:CompleteMultipartUpload"
    assert event.source == "aws:s3.eu-central-1.my-bucket"
    assert event.data["s3"]["object"] == {
        "key": "a%20b%2Bc%2520.txt",
        "eTag": "e",
        "size": 5,
        "sequencer": "61",
    }
    assert read(notification(event.data)).events[0] == event


def test_eventbridge_tells_removal_too_and_the_rest_is_ignored() -> None:
    (event,) = read(eventbridge(**{"detail-type": "Object Deleted"})).events
    assert event.type.startswith("com.amazonaws.s3.ObjectRemoved:")
    other = read(eventbridge(**{"detail-type": "Object Tags Added"}))
    assert other == Reading(ignored=("EventBridge 'Object Tags Added'",))


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff", b"nonsense", b"[]", b"17", b"null", b"{}", b'{"Records": 1}', b'"x"',
     b'{"source": "aws.s3", "detail-type": "Object Created"}',
     json.dumps({"Type": "Notification", "Message": "hello"}).encode(),
     b"[" * 100_000],
)  # fmt: skip
def test_what_is_no_notification_is_refused_by_name(body: bytes) -> None:
    reading = read(body)
    assert reading.events == ()
    assert len(reading.refused) == 1


def test_envelopes_in_envelopes_end_somewhere() -> None:
    body = notification(record())
    for _ in range(6):
        body = json.dumps({"Type": "Notification", "Message": body})
    assert read(body).refused == ("envelopes nested too deeply",)
