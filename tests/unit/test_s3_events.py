"""The webhook: who may send, what is understood, what the sender hears."""

import base64
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from eventing.cloudevent import CloudEvent, to_http
from functions.runtime.app import build_app
from functions.s3_events.app import function
from tests.support.subscriber import Subscriber, subscriber

TOKEN = "s3cr3t-tökén"  # noqa: S105 - a test's own
TOPIC = "arn:aws:sns:eu-central-1:1:uploads"
RECORD = {
    "eventSource": "minio:s3",
    "awsRegion": "",
    "eventName": "s3:ObjectCreated:Put",
    "s3": {"bucket": {"name": "b"}, "object": {"key": "documents/a+b.md", "eTag": "e"}},
}
NOTIFICATION = {"EventName": "s3:ObjectCreated:Put", "Key": "b/a b.md", "Records": [RECORD]}


@contextlib.asynccontextmanager
async def webhook(sink: str, **environ: str) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(function, {"K_SINK": sink, "WEBHOOK_TOKEN": TOKEN, **environ})
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://hook") as client,
    ):
        await app.state.lifecycle.settled()
        yield client


def bearer(token: str = TOKEN) -> dict[str, bytes]:
    return {"authorization": f"Bearer {token}".encode("latin-1")}


def basic(token: str = TOKEN) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"any:{token}".encode()).decode()}


async def post(
    environ: dict[str, str], headers: dict[str, Any], document: Any
) -> tuple[httpx.Response, Subscriber]:
    async with subscriber() as sink, webhook(sink.url, **environ) as client:
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        return await client.post("/", headers=headers, content=body), sink


async def test_a_minio_notification_becomes_an_event() -> None:
    plain = {"WEBHOOK_TOKEN": "plain"}
    answer, sink = await post(plain, {"authorization": "Bearer plain"}, NOTIFICATION)
    assert (answer.status_code, answer.content) == (202, b"")
    (event,) = [received.event for received in sink.received]
    assert (event.type, event.subject) == ("com.amazonaws.s3.ObjectCreated:Put", "documents/a b.md")
    assert "traceparent" in event.extensions


async def test_the_sink_is_shown_the_token_that_is_there_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "token"
    monkeypatch.setenv("SINK_TOKEN_FILE", str(file))
    plain = {"WEBHOOK_TOKEN": "plain"}
    seen = []
    for renewed in (None, "first\n", "second"):
        if renewed:
            file.write_text(renewed)
        _, sink = await post(plain, {"authorization": "Bearer plain"}, NOTIFICATION)
        seen += [received.headers.get("authorization") for received in sink.received]
    assert seen == [None, "Bearer first", "Bearer second"]


@pytest.mark.parametrize("headers", [basic(), {"authorization": "plain"}, basic("plain")])
async def test_the_token_may_be_shown_in_other_ways(headers: dict[str, Any]) -> None:
    token = "plain" if headers != basic() else TOKEN
    answer, sink = await post({"WEBHOOK_TOKEN": token}, headers, NOTIFICATION)
    assert (answer.status_code, len(sink.received)) == (202, 1)


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": ""}, bearer("wrong"), basic("wrong"), {"authorization": "Basic %"},
     {"authorization": "Bearer"}, {"authorization": "Bearer \xff".encode("latin-1")}],
)  # fmt: skip
async def test_nobody_without_the_token(headers: dict[str, Any]) -> None:
    answer, sink = await post({}, headers, NOTIFICATION)
    assert answer.status_code == 401
    assert answer.json()["error"]["code"] == "unauthorized"
    assert sink.received == []


@pytest.mark.parametrize("shown", ["", "Bearer "])
async def test_without_a_configured_token_nobody_at_all(shown: str) -> None:
    answer, sink = await post({"WEBHOOK_TOKEN": ""}, {"authorization": shown}, NOTIFICATION)
    assert (answer.status_code, sink.received) == (401, [])


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"nonsense", 400), (b"[]", 400), (b'"x"', 400), (b"[" * 99_999, 400),
     (b"{}", 422), (b'{"Records": [{}]}', 422)],
)  # fmt: skip
async def test_what_is_no_notification_is_refused(body: bytes, status: int) -> None:
    answer, sink = await post({}, basic(), body)
    assert (answer.status_code, sink.received) == (status, [])
    assert answer.json()["error"]["message"]


async def test_an_s3_test_event_is_acknowledged_and_dropped() -> None:
    answer, sink = await post({}, basic(), {"Event": "s3:TestEvent"})
    assert (answer.status_code, sink.received) == (202, [])


async def test_a_cloud_event_that_carries_a_notification_is_unwrapped() -> None:
    carrier = CloudEvent(
        "1", "s", "dev.knative.connector.event.aws-sqs", data=json.dumps(NOTIFICATION).encode()
    )
    headers, body = to_http(carrier)
    answer, sink = await post({}, headers | basic(), body)
    assert (answer.status_code, len(sink.received)) == (202, 1)


SNS = {"Type": "Notification", "TopicArn": TOPIC, "Message": json.dumps(NOTIFICATION)}


@pytest.mark.parametrize(
    "envelope",
    [SNS, SNS | {"TopicArn": "other"}, {"Type": "Notification", "Message": SNS["Message"]},
     SNS | {"Type": "SubscriptionConfirmation"}],
)  # fmt: skip
async def test_sns_is_refused_unless_its_topic_is_listed(envelope: dict[str, str]) -> None:
    answer, sink = await post({"SNS_TOPIC_ARNS": "arn:x,arn:y"}, basic(), envelope)
    assert (answer.status_code, sink.received) == (403, [])


@pytest.mark.parametrize(("sink_status", "status"), [(503, 503), (500, 503), (400, 422)])
async def test_the_sender_hears_whether_to_try_again(sink_status: int, status: int) -> None:
    async with (
        subscriber(lambda _: Response(status_code=sink_status)) as sink,
        webhook(sink.url) as client,
    ):
        answer = await client.post("/", headers=basic(), json=NOTIFICATION)
    assert answer.status_code == status
    assert ("retry-after" in answer.headers) == (status == 503)


async def test_a_sink_that_is_away_is_a_503() -> None:
    async with webhook("http://127.0.0.1:9/") as client:
        answer = await client.post("/", headers=basic(), json=NOTIFICATION)
    assert answer.status_code == 503
