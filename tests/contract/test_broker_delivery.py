"""The Broker over real HTTP: who gets what, with which headers, also after a restart."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from starlette.responses import Response

from eventing.broker import Route
from eventing.cloudevent import CloudEvent, to_http
from eventing.delivery import Policy
from eventing.durable import Queue
from eventing.filters import compile_trigger
from tests.support.broker import BINARY, EVENT, NAME, QUICK, route, running
from tests.support.subscriber import Received, eventually, subscriber


async def test_a_subscriber_gets_what_knative_sends_and_no_credentials(tmp_path: Path) -> None:
    async with subscriber() as one, running(tmp_path, [route(one.url)]) as broker:
        sent = {"authorization": "Bearer secret", "traceparent": "00-ab-cd-01", "x-b3-x": "b"}
        answer = await broker.send(**sent, **{"knative-x": "k", "x-request-id": "r"})
        assert answer.status_code == 202
        await eventually(lambda: one.received)
    headers = one.received[0].headers
    assert headers["prefer"] == "reply"
    assert headers["kn-namespace"] == "ns"
    assert "authorization" not in headers
    assert "ce-knativebrokerttl" not in headers
    assert "ce-knativearrivaltime" in headers
    passed = {name: headers[name] for name in ("traceparent", "x-b3-x", "knative-x")}
    assert passed == {"traceparent": "00-ab-cd-01", "x-b3-x": "b", "knative-x": "k"}
    assert one.received[0].event.data == {"a": 1}


async def test_data_passes_byte_for_byte(tmp_path: Path) -> None:
    body = b'{"n": 1.0000000000000000001,  "n": 2}'
    async with subscriber() as one, running(tmp_path, [route(one.url)]) as broker:
        await broker.client.post(
            f"{broker.url}/ns/default",
            headers=BINARY | {"content-type": "application/json"},
            content=body,
        )
        await eventually(lambda: one.received)
    assert one.received[0].body == body


async def test_format_json_delivers_in_structured_mode(tmp_path: Path) -> None:
    policy = Policy(structured=True)
    async with subscriber() as one, running(tmp_path, [route(one.url, policy)]) as broker:
        await broker.send()
        await eventually(lambda: one.received)
    assert one.received[0].headers["content-type"].startswith("application/cloudevents+json")
    assert one.received[0].event.data == {"a": 1}


async def test_only_matching_triggers_are_told(tmp_path: Path) -> None:
    async with subscriber() as one, subscriber() as two:
        other = Route(
            "2", NAME, compile_trigger({"filters": [{"exact": {"type": "x"}}]}), two.url, QUICK
        )
        async with running(tmp_path, [route(one.url), other]) as broker:
            await broker.send()
            await eventually(lambda: one.received)
    assert two.received == []


async def test_a_reply_enters_the_broker_as_itself(tmp_path: Path) -> None:
    headers, body = to_http(CloudEvent("r1", "replier", "reply.v1", data=b"hi"))
    async with subscriber(lambda _: Response(body, 200, headers)) as one, subscriber() as two:
        asks = route(one.url, filters=[{"exact": {"type": "t.v1"}}])
        wants = compile_trigger({"filters": [{"exact": {"type": "reply.v1"}}]})
        other = Route("2", NAME, wants, two.url, QUICK)
        async with running(tmp_path, [asks, other]) as broker:
            await broker.send()
            await eventually(lambda: two.received)
    event = two.received[0].event
    assert (event.id, event.source, event.type, event.data) == ("r1", "replier", "reply.v1", b"hi")


async def test_a_slow_trigger_is_bounded_and_delays_nobody_else(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def wait(_: Received) -> Response:
        await release.wait()
        return Response(status_code=202)

    async with subscriber(wait) as slow, subscriber() as quick:
        routes = [route(slow.url), Route("2", NAME, compile_trigger({}), quick.url, QUICK)]
        async with running(tmp_path, routes) as broker:
            await asyncio.gather(*[broker.send() for _ in range(40)])
            await eventually(lambda: len(quick.received) == 40)
            assert len(slow.received) == 16
            release.set()
            await eventually(lambda: len(slow.received) == 40)


async def test_what_is_owed_is_delivered_by_the_next_life(tmp_path: Path) -> None:
    async with subscriber(lambda _: Response(status_code=503)) as down:
        patient = Policy(retry=10, delay=60)
        async with running(tmp_path, [route(down.url, patient)]) as broker:
            await broker.send()
            await eventually(lambda: down.received)
    queue = Queue(tmp_path / "events.db")
    owed = queue.pending()
    queue.close()
    assert len(owed) == 1
    async with subscriber() as up:
        moved = route(up.url)
        with contextlib.closing(sqlite3.connect(tmp_path / "events.db")) as database:
            database.execute("UPDATE deliveries SET due = 0")
            database.commit()
        async with running(tmp_path, [moved]):
            await eventually(lambda: up.received)


async def test_a_deleted_trigger_is_owed_nothing(tmp_path: Path) -> None:
    async with (
        subscriber(lambda _: Response(status_code=503)) as down,
        running(tmp_path, [route(down.url)]) as broker,
    ):
        await broker.send()
        await broker.broker.configure([NAME], [])
        await eventually(lambda: not broker.broker._tasks)
    queue = Queue(tmp_path / "events.db")
    assert queue.pending() == []
    queue.close()


async def test_a_header_that_cannot_be_passed_on_is_left_out(tmp_path: Path) -> None:
    async with subscriber() as one, running(tmp_path, [route(one.url)]) as broker:
        headers, body = to_http(EVENT)
        odd = [*headers.items(), (b"x-request-id", "\u00e9".encode("latin-1"))]
        await broker.client.post(f"{broker.url}/ns/default", content=body, headers=odd)
        await eventually(lambda: one.received)
    assert "x-request-id" not in one.received[0].headers
