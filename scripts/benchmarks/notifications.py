"""Fuzzing of the notification parser: a million broken inputs give events or a refusal, no crash.

The inputs are real notifications that something happened to: a value became another, a member went
or came twice, an envelope was put around it, bytes were flipped, cut or repeated. `--inputs N`
says how many, `--seed` which.
"""

import argparse
import copy
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from eventing.cloudevent import from_http, to_http
from eventing.s3 import read
from scripts.benchmarks.harness import Options, Report

_RECORD: dict[str, Any] = {
    "eventVersion": "2.1",
    "eventSource": "aws:s3",
    "awsRegion": "eu-central-1",
    "eventTime": "2026-01-02T03:04:05.678Z",
    "eventName": "ObjectCreated:Put",
    "responseElements": {"x-amz-request-id": "REQ", "x-amz-id-2": "ID2+/="},
    "s3": {
        "bucket": {"name": "my-bucket"},
        "object": {"key": "models/ner-v1.0.0/model_config.json", "eTag": "e", "sequencer": "0055"},
    },
}
_DETAIL = {"bucket": {"name": "b"}, "object": {"key": "a b+c"}, "reason": "PutObject"}
_EVENTBRIDGE = {
    "source": "aws.s3",
    "detail-type": "Object Created",
    "region": "eu-central-1",
    "time": "2026-01-02T03:04:05Z",
    "detail": _DETAIL,
}
_MINIO = _RECORD | {"eventSource": "minio:s3", "eventName": "s3:ObjectCreated:Put"}
_SEEDS: tuple[dict[str, Any], ...] = (
    {"Records": [_RECORD, _RECORD | {"eventName": "ObjectRemoved:Delete"}]},
    {"EventName": "s3:ObjectCreated:Put", "Key": "b/k", "Records": [_MINIO]},
    {"Type": "Notification", "Message": json.dumps({"Records": [_RECORD]})},
    {"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "b"},
    _EVENTBRIDGE,
)
_TEXTS = (
    "", "%", "%FF", "%F0%9F%A6%8A", "+", "\0", "\ud800", "\u202e", "a" * 3000, "s3:", "aws:s3",
    "ObjectCreated:", "2026-13-45T99:99:99Z", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:60-23:59", "Records", "{}", "[]", "../..", "🦊",
)  # fmt: skip
_VALUES: tuple[Any, ...] = (
    None, True, 0, -1, 2**70, 1e308, float("nan"), float("inf"), [], {}, [[]], {"": None}, *_TEXTS,
)  # fmt: skip
_MOST = 5
_SHOWN = 5


def run(report: Report, options: Options) -> None:
    """Feed the parser; a crash is any exception, or an event that the wire does not carry."""
    parser = argparse.ArgumentParser(prog="./scripts/bench notifications")
    parser.add_argument("--inputs", type=int, default=1_000_000)
    inputs = parser.parse_args(options.rest).inputs
    chance = random.Random(options.seed)  # noqa: S311 - the same inputs for the same seed
    found: Counter[str] = Counter()
    crashes: list[str] = []
    started = time.monotonic()
    for _ in range(inputs):
        body = broken(chance)
        try:
            found[_outcome(body)] += 1
        except Exception as error:  # noqa: BLE001 - any exception is what is looked for
            crashes.append(f"{type(error).__name__}: {error}: {body[:200]!r}")
    seconds = time.monotonic() - started
    report.row(inputs=inputs, seconds=seconds, per_second=inputs / seconds, **dict(found))
    for crash in crashes[:_SHOWN]:
        report.row(crash=crash)
    report.equal("crashes", len(crashes), 0)


def broken(chance: random.Random) -> bytes:
    """Draw one input: a notification that up to five things happened to."""
    document = copy.deepcopy(chance.choice(_SEEDS))
    for _ in range(chance.randrange(_MOST)):
        document = chance.choice(_OF_DOCUMENTS)(document, chance)
    body = json.dumps(document).encode()
    for _ in range(chance.choice((0, 0, 0, 1, 3))):
        body = chance.choice(_OF_BYTES)(body, chance)
    return body


def _outcome(body: bytes) -> str:
    reading = read(body)
    for event in reading.events:
        if from_http(*to_http(event)).subject != event.subject:
            raise ValueError("the subject did not survive the wire")
    if reading.events:
        return "with_refusals" if reading.refused else "events"
    return "refused" if reading.refused else "ignored"


def _places(document: Any) -> list[tuple[Any, Any]]:
    """Every (holder, name or number) in a document."""
    if isinstance(document, dict):
        here = list(document.items())
    elif isinstance(document, list):
        here = list(enumerate(document))
    else:
        return []
    inner = [place for _, value in here for place in _places(value)]
    return [(document, name) for name, _ in here] + inner


def _another_value(document: Any, chance: random.Random) -> Any:
    if places := _places(document):
        holder, name = chance.choice(places)
        holder[name] = copy.deepcopy(chance.choice(_VALUES))
    return document


def _moved_value(document: Any, chance: random.Random) -> Any:
    if places := _places(document):
        (holder, name), (other, of) = chance.choice(places), chance.choice(places)
        holder[name] = copy.deepcopy(other[of])
    return document


def _lost_member(document: Any, chance: random.Random) -> Any:
    if places := _places(document):
        holder, name = chance.choice(places)
        del holder[name]
    return document


def _enveloped(document: Any, chance: random.Random) -> Any:
    return {"Type": "Notification", "Message": chance.choice((document, json.dumps(document)))}


def _flipped(body: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(body) + 1)
    return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]


def _cut(body: bytes, chance: random.Random) -> bytes:
    return body[: chance.randrange(len(body) + 1)]


def _repeated(body: bytes, chance: random.Random) -> bytes:
    start = chance.randrange(len(body) + 1)
    return body[:start] + body[start // 2 :]


_OF_DOCUMENTS: tuple[Callable[[Any, random.Random], Any], ...] = (
    _another_value, _another_value, _moved_value, _lost_member, _enveloped,
)  # fmt: skip
_OF_BYTES: tuple[Callable[[bytes, random.Random], bytes], ...] = (_flipped, _cut, _repeated)
