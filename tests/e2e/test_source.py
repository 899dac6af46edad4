"""The queue source as a process, against an S3 and SQS server over HTTP."""

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response

from tests.support.s3 import S3Server, s3_server
from tests.support.subscriber import Received, Subscriber, eventually, subscriber

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@dataclass
class Bucket:
    """A bucket whose notifications go to a queue, both named after the test."""

    name: str
    queue_url: str
    s3: Any
    sqs: Any
    environ: dict[str, str]

    def put(self, key: str, body: bytes = b"x") -> None:
        self.s3.put_object(Bucket=self.name, Key=key, Body=body)

    def send(self, body: str) -> None:
        self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=body)

    def left(self) -> tuple[int, int]:
        """How many messages wait, and how many are in somebody's hands."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self.sqs.get_queue_attributes(QueueUrl=self.queue_url, AttributeNames=names)
        waiting, held = (int(answer["Attributes"][name]) for name in names)
        return waiting, held


@pytest.fixture
def bucket(server: S3Server, request: pytest.FixtureRequest) -> Bucket:
    name = request.node.name.replace("_", "-")[5:55].strip("-")
    s3, sqs = server.client("s3"), server.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])
    s3.create_bucket(Bucket=name)
    events = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*"]
    target = {"QueueArn": arn["Attributes"]["QueueArn"], "Events": events}
    s3.put_bucket_notification_configuration(
        Bucket=name, NotificationConfiguration={"QueueConfigurations": [target]}
    )
    environ = server.environ() | {"S3_QUEUE": name, "S3_QUEUE_POLL": "1"}
    return Bucket(name, url, s3, sqs, environ)


@contextlib.asynccontextmanager
async def source(
    bucket: Bucket, sink: Subscriber, **environ: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    env = {**os.environ, **bucket.environ, "K_SINK": sink.url, "NO_PROXY": "127.0.0.1", **environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "eventing.source",
        cwd=ROOT,
        env=env,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(20):
            assert await process.wait() == 0


async def test_what_happens_in_a_bucket_arrives_as_events(bucket: Bucket) -> None:
    keys = ["documents/a b+c%20ü🦊.md", "models/ner-v1.0.0/model_config.json"]
    overrides = json.dumps({"extensions": {"extra": "x"}})
    async with subscriber() as sink, source(bucket, sink, K_CE_OVERRIDES=overrides):
        for key in keys:
            await asyncio.to_thread(bucket.put, key)
        await eventually(lambda: len(sink.received) == 2, 30)
        await asyncio.to_thread(bucket.s3.delete_object, Bucket=bucket.name, Key=keys[0])
        await eventually(lambda: len(sink.received) == 3, 30)
        await eventually(lambda: bucket.left() == (0, 0))
    events = [received.event for received in sink.received]
    assert {event.subject for event in events[:2]} == set(keys)
    assert {event.type for event in events[:2]} == {"com.amazonaws.s3.ObjectCreated:Put"}
    assert events[2].type.startswith("com.amazonaws.s3.ObjectRemoved:")
    assert events[0].source == f"aws:s3.us-east-1.{bucket.name}"
    assert events[0].extensions["extra"] == "x"
    assert sink.received[0].headers["traceparent"] == events[0].extensions["traceparent"]


async def test_a_message_stays_in_the_queue_until_the_sink_accepts(bucket: Bucket) -> None:
    allowed = asyncio.Event()

    def answer(_: Received) -> Response:
        return Response(status_code=202 if allowed.is_set() else 503)

    async with subscriber(answer) as sink, source(bucket, sink):
        bucket.put("a")
        await eventually(lambda: len(sink.received) >= 2, 30)
        assert bucket.left() == (0, 1)
        allowed.set()
        await eventually(lambda: bucket.left() == (0, 0), 30)
    ids = {received.event.id for received in sink.received}
    assert len(ids) == 1


async def test_a_slow_sink_gets_the_event_once_for_the_visibility_is_extended(
    bucket: Bucket,
) -> None:
    async def slow(_: Received) -> Response:
        await asyncio.sleep(5)
        return Response(status_code=202)

    async with (
        subscriber(slow) as sink,
        source(bucket, sink, S3_QUEUE_VISIBILITY="2"),
        source(bucket, sink, S3_QUEUE_VISIBILITY="2"),
    ):
        bucket.put("a")
        await eventually(lambda: sink.received, 30)
        await eventually(lambda: bucket.left() == (0, 0), 30)
    assert len(sink.received) == 1


async def test_sigterm_hands_back_what_could_not_be_delivered(bucket: Bucket) -> None:
    async with subscriber(lambda _: Response(status_code=503)) as down, source(bucket, down):
        bucket.put("a")
        await eventually(lambda: down.received, 30)
    assert bucket.left() == (1, 0)
    async with subscriber() as up, source(bucket, up):
        await eventually(lambda: up.received, 30)
        await eventually(lambda: bucket.left() == (0, 0))


async def test_kill_9_loses_nothing(bucket: Bucket) -> None:
    async def hang(_: Received) -> Response:
        await asyncio.sleep(30)
        return Response(status_code=202)

    async with subscriber(hang) as sink:
        with contextlib.suppress(AssertionError):
            async with source(bucket, sink, S3_QUEUE_VISIBILITY="2") as process:
                bucket.put("a")
                await eventually(lambda: sink.received, 30)
                process.kill()
    async with subscriber() as up, source(bucket, up):
        await eventually(lambda: up.received, 30)
        await eventually(lambda: bucket.left() == (0, 0))


async def test_what_cannot_be_read_is_left_to_the_redrive_and_stops_nobody(bucket: Bucket) -> None:
    async with subscriber() as sink, source(bucket, sink):
        bucket.send("no notification")
        bucket.put("good")
        await eventually(lambda: sink.received, 30)
        await eventually(lambda: bucket.left() == (0, 1), 30)
    assert [received.event.subject for received in sink.received] == ["good"]


async def test_sns_in_sqs_is_unwrapped(bucket: Bucket) -> None:
    record = {
        "eventSource": "aws:s3",
        "awsRegion": "us-east-1",
        "eventName": "ObjectCreated:Put",
        "s3": {"bucket": {"name": "b"}, "object": {"key": "x+y"}},
    }
    message = json.dumps({"Records": [record]})
    async with subscriber() as sink, source(bucket, sink):
        bucket.send(json.dumps({"Type": "Notification", "TopicArn": "arn", "Message": message}))
        await eventually(lambda: sink.received, 30)
    assert sink.received[0].event.subject == "x y"
