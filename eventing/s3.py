"""S3 notifications, in every dress they come in, become CloudEvents: one record, one event.

Attributes follow the CloudEvents AWS S3 adapter. Keys arrive URL-encoded (a space as `+`) and
leave decoded, except EventBridge's, which were never encoded. The event's data is always a record
in S3's own shape. Where the store gives no request id (MinIO, moto) the id follows from what
happened, so a redelivered notification is recognised as the duplicate that it is.
Nothing raises: what cannot be read is named in `refused`, a test event in `ignored`.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote_plus

from eventing.cloudevent import JSON, CloudEvent, MalformedEvent, parse_time

_PREFIX = "com.amazonaws.s3."
_SOURCES = ("aws:s3", "minio:s3", "ceph:s3")
_EVENT_NAME = re.compile(r"(?:s3:)?([A-Za-z]+(?::[A-Za-z]+)?)")
_BUCKET = re.compile(r"[A-Za-z0-9._:-]{1,255}")
_REGION = re.compile(r"[a-z0-9-]{0,40}")
_NOT_IN_SUBJECTS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_DEPTH = 4  # SNS in SQS in a CloudEvent is three
# Detail type → the member that says more, and the S3 event's name when it says nothing known.
_EVENTBRIDGE_TYPES = {
    "Object Created": ("reason", "ObjectCreated:Put"),
    "Object Deleted": ("deletion-type", "ObjectRemoved:Delete"),
}
_EVENTBRIDGE_REASONS = {
    "PutObject": "ObjectCreated:Put",
    "POST Object": "ObjectCreated:Post",
    "CopyObject": "ObjectCreated:Copy",
    "CompleteMultipartUpload": "ObjectCreated:CompleteMultipartUpload",
    "Permanently Deleted": "ObjectRemoved:Delete",
    "Delete Marker Created": "ObjectRemoved:DeleteMarkerCreated",
}


class _Refusal(ValueError):
    """One record cannot be read; the message says why."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one notification holds. All three may be filled: records are judged one by one."""

    events: tuple[CloudEvent, ...] = ()
    ignored: tuple[str, ...] = ()
    refused: tuple[str, ...] = ()


def read(body: bytes | str) -> Reading:
    """Read a notification as it came over the wire."""
    return read_document(body, _DEPTH)


def read_document(document: Any, depth: int = _DEPTH) -> Reading:
    """Read a notification that is parsed already, or still JSON inside JSON."""
    if depth == 0:
        return Reading(refused=("envelopes nested too deeply",))
    if isinstance(document, bytes | str):
        try:
            return read_document(json.loads(document), depth - 1)
        except (ValueError, RecursionError):
            return Reading(refused=("not JSON",))
    if not isinstance(document, Mapping):
        return Reading(refused=("not a JSON object",))
    return _read_object(document, depth)


def _read_object(document: Mapping[str, Any], depth: int) -> Reading:
    if isinstance(document.get("Records"), list):
        return _read_records(document["Records"])
    if document.get("Event") == "s3:TestEvent":
        return Reading(ignored=("s3:TestEvent",))
    if document.get("Type") == "Notification" and "Message" in document:
        return read_document(document["Message"], depth - 1)
    if document.get("source") == "aws.s3" and "detail-type" in document:
        return _read_eventbridge(document)
    return Reading(refused=("not an S3 notification",))


def _read_records(records: list[Any]) -> Reading:
    events, refused = [], []
    for number, record in enumerate(records):
        try:
            events.append(_event(_mapping(record, "record")))
        except (_Refusal, MalformedEvent) as error:
            refused.append(f"record {number}: {error}")
    ignored = () if records else ("no records",)
    return Reading(tuple(events), ignored, tuple(refused))


def _read_eventbridge(document: Mapping[str, Any]) -> Reading:
    name = f"EventBridge {document['detail-type']!r}"
    told = _EVENTBRIDGE_TYPES.get(str(document["detail-type"]))
    if told is None:
        return Reading(ignored=(name,))
    try:
        return Reading(events=(_event(_record_of_eventbridge(document, *told)),))
    except (_Refusal, MalformedEvent) as error:
        return Reading(refused=(f"{name}: {error}",))


def _record_of_eventbridge(
    document: Mapping[str, Any], member: str, fallback: str
) -> dict[str, Any]:
    detail = _mapping(document.get("detail"), "detail")
    entry = _mapping(detail.get("object"), "detail.object")
    members = {"size": "size", "etag": "eTag", "version-id": "versionId", "sequencer": "sequencer"}
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": document.get("region", ""),
        "eventTime": document.get("time"),
        "eventName": _EVENTBRIDGE_REASONS.get(str(detail.get(member)), fallback),
        "s3": {
            "bucket": _mapping(detail.get("bucket"), "detail.bucket"),
            "object": {"key": quote(_text(entry, "key"), safe="/")}
            | {ours: entry[theirs] for theirs, ours in members.items() if theirs in entry},
        },
    }


def _event(record: Mapping[str, Any]) -> CloudEvent:
    origin = record.get("eventSource")
    if origin not in _SOURCES:
        raise _Refusal(f"eventSource {origin!r} is not S3's")
    name = _EVENT_NAME.fullmatch(_text(record, "eventName"))
    if name is None:
        raise _Refusal(f"eventName {record['eventName']!r} is not an event of S3's")
    details = _mapping(record.get("s3"), "s3")
    bucket = _text(_mapping(details.get("bucket"), "s3.bucket"), "name")
    region = record.get("awsRegion") or ""
    if not _BUCKET.fullmatch(bucket) or not _REGION.fullmatch(str(region)):
        raise _Refusal("the bucket or region is not a name")
    when, key = record.get("eventTime"), _key(details)
    return CloudEvent(
        id=_request_id(record, name[1]) or _derived_id(record),
        source=f"{origin}.{region}.{bucket}",
        type=_PREFIX + name[1],
        subject=key,
        time=None if when is None else parse_time(str(when)),
        data=_sendable(record),
        datacontenttype=JSON,
    )


def _sendable(record: Mapping[str, Any]) -> dict[str, Any]:
    """Python reads NaN and 1e999 where JSON has no such numbers, and could not send them on."""
    try:
        json.dumps(record, allow_nan=False)
    except (ValueError, RecursionError) as error:
        raise _Refusal("it holds what is not JSON") from error
    return dict(record)


def _key(details: Mapping[str, Any]) -> str:
    encoded = _text(_mapping(details.get("object"), "s3.object"), "key")
    try:
        key = unquote_plus(encoded, errors="strict")
    except UnicodeDecodeError as error:
        raise _Refusal(f"key {encoded!r} is not UTF-8") from error
    if not key or _NOT_IN_SUBJECTS.search(key):
        raise _Refusal(f"key {key!r} cannot be the subject of an event")
    return key


def _request_id(record: Mapping[str, Any], name: str) -> str | None:
    """S3's own ids; one request may remove many objects, so a removal's id names its object too."""
    answer = record.get("responseElements")
    if not isinstance(answer, Mapping):
        return None
    parts = [answer.get("x-amz-request-id"), answer.get("x-amz-id-2")]
    if not all(isinstance(part, str) and re.fullmatch(r"[!-~]+", part) for part in parts):
        return None
    if name.startswith("ObjectRemoved"):
        parts.append(_derived_id(record)[:8])
    return ".".join(map(str, parts))


def _derived_id(record: Mapping[str, Any]) -> str:
    """Deterministic: the same thing that happened, told twice, has the same id."""
    entry, bucket = record["s3"]["object"], record["s3"]["bucket"]["name"]
    facts = [record.get(name) for name in ("eventSource", "eventName", "eventTime")]
    facts += [bucket, *(entry.get(name) for name in ("key", "versionId", "eTag", "sequencer"))]
    return hashlib.sha256(json.dumps(facts, default=str).encode()).hexdigest()[:32]


def _mapping(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise _Refusal(f"{where} is not an object")
    return value


def _text(holder: Mapping[str, Any], name: str) -> str:
    value = holder.get(name)
    if not isinstance(value, str) or not value:
        raise _Refusal(f"{name} is missing")
    return value
