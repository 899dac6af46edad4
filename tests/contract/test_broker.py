"""The Broker over real HTTP: statuses, deliveries, retries, replies, dead letters, restarts."""

import asyncio
import base64
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response

from eventing.broker import Broker, Route
from eventing.cloudevent import CloudEvent, to_http
from eventing.delivery import Policy
from eventing.durable import Queue
from eventing.filters import compile_trigger
from eventing.ingress import build_app
from tests.support.subscriber import Received, eventually, serving, subscriber

NAME = ("ns", "default")
EVENT = CloudEvent("1", "test", "t.v1", data={"a": 1}, datacontenttype="application/json")
QUICK = Policy(retry=3, delay=0.01)


@dataclass
class Running:
    broker: Broker
    url: str
    client: httpx.AsyncClient

    async def send(self, event: CloudEvent = EVENT, **headers: str) -> httpx.Response:
        written, body = to_http(event)
        return await self.client.post(
            f"{self.url}/ns/default", content=body, headers=written | headers
        )


@contextlib.asynccontextmanager
async def running(path: Path, routes: Iterable[Route] = ()) -> AsyncIterator[Running]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        broker = Broker(Queue(path / "events.db"), client)
        try:
            await broker.configure([NAME], routes)
            async with serving(build_app(broker)) as url:
                yield Running(broker, url, client)
        finally:
            await broker.aclose()


def route(url: str, policy: Policy = QUICK, sink: str | None = None, **spec: object) -> Route:
    return Route("uid", NAME, compile_trigger(spec), url, policy, sink)


BINARY = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
STATUSES = [
    ("valid binary", "POST", "/ns/default", BINARY, b"", 202),
    ("trailing slash", "POST", "/ns/default/", BINARY, b"", 202),
    ("specversion 0.3", "POST", "/ns/default", BINARY | {"ce-specversion": "0.3"}, b"", 202),
    (
        "structured",
        "POST",
        "/ns/default",
        STRUCTURED,
        b'{"specversion":"1.0","id":"1","source":"s","type":"t"}',
        202,
    ),
    ("no id", "POST", "/ns/default", {k: v for k, v in BINARY.items() if k != "ce-id"}, b"", 400),
    ("empty type", "POST", "/ns/default", BINARY | {"ce-type": ""}, b"", 400),
    ("specversion 2", "POST", "/ns/default", BINARY | {"ce-specversion": "2.0"}, b"", 400),
    ("bad extension", "POST", "/ns/default", BINARY | {"ce-a-b": "x"}, b"", 400),
    (
        "content type not ASCII",
        "POST",
        "/ns/default",
        STRUCTURED,
        '{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"a/ü"}'.encode(),
        400,
    ),
    ("bad time", "POST", "/ns/default", BINARY | {"ce-time": "noon"}, b"", 400),
    (
        "batch",
        "POST",
        "/ns/default",
        {"content-type": "application/cloudevents-batch+json"},
        b"[]",
        400,
    ),
    ("plain JSON", "POST", "/ns/default", {"content-type": "application/json"}, b"{}", 400),
    ("structured array", "POST", "/ns/default", STRUCTURED, b"[]", 400),
    ("structured nonsense", "POST", "/ns/default", STRUCTURED, b"\xff", 400),
    ("one segment", "POST", "/ns", BINARY, b"", 400),
    ("three segments", "POST", "/ns/default/x", BINARY, b"", 400),
    ("hops used up", "POST", "/ns/default", BINARY | {"ce-knativebrokerttl": "1"}, b"", 400),
    ("unknown broker", "POST", "/ns/other", BINARY, b"", 404),
    ("root", "POST", "/", BINARY, b"", 404),
    ("query", "POST", "/ns/default?x=1", BINARY, b"", 404),
    ("GET", "GET", "/ns/default", {}, b"", 405),
    ("PUT", "PUT", "/ns/default", BINARY, b"", 405),
    ("OPTIONS", "OPTIONS", "/ns/default", {}, b"", 200),
    ("header over 1 MB", "POST", "/ns/default", BINARY | {"x": "y" * (1 << 20)}, b"", 431),
]


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [case[1:] for case in STATUSES],
    ids=[case[0] for case in STATUSES],
)
async def test_the_ingress_answers_as_knatives_does(
    tmp_path: Path, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    async with running(tmp_path) as broker:
        url = broker.url + path
        answer = await broker.client.request(method, url, headers=headers, content=body)
    assert answer.status_code == status
    if status == 202:
        assert answer.content == b""


async def test_before_the_triggers_are_known_nothing_is_accepted(tmp_path: Path) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        broker = Broker(Queue(tmp_path / "events.db"), client)
        async with serving(build_app(broker)) as url:
            answer = await client.post(f"{url}/ns/default", headers=BINARY)
        await broker.aclose()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


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


@pytest.mark.parametrize("status", [301, 304, 400, 401, 403, 405, 410, 413, 418, 422, 425])
async def test_a_final_refusal_is_attempted_once(tmp_path: Path, status: int) -> None:
    async with (
        subscriber() as sink,
        subscriber(lambda _: Response(b"no", status)) as one,
        running(tmp_path, [route(one.url, sink=sink.url)]) as broker,
    ):
        await broker.send()
        await eventually(lambda: sink.received)
    assert len(one.received) == 1


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 502, 503, 504])
async def test_a_passing_fault_is_attempted_again_until_retries_are_used_up(
    tmp_path: Path, status: int
) -> None:
    async with (
        subscriber() as sink,
        subscriber(lambda _: Response(b"no", status)) as one,
        running(tmp_path, [route(one.url, sink=sink.url)]) as broker,
    ):
        await broker.send()
        await eventually(lambda: sink.received)
    assert len(one.received) == 4
    letter = sink.received[0].event
    assert (letter.id, letter.source, letter.data) == (EVENT.id, EVENT.source, EVENT.data)
    assert letter.extensions["knativeerrorcode"] == str(status)
    assert letter.extensions["knativeerrordest"] == one.url
    assert base64.b64decode(letter.extensions["knativeerrordata"]) == b"no"


async def test_a_fault_that_passes_ends_in_one_delivery(tmp_path: Path) -> None:
    answers = iter([503, 503])
    async with (
        subscriber(lambda _: Response(status_code=next(answers, 202))) as one,
        running(tmp_path, [route(one.url)]) as broker,
    ):
        await broker.send()
        await eventually(lambda: len(one.received) == 3)
        await eventually(lambda: not broker.broker._tasks)
    assert len(one.received) == 3


async def test_a_time_out_is_retried_and_its_dead_letter_names_no_error(tmp_path: Path) -> None:
    async def hang(_: Received) -> Response:
        await asyncio.sleep(3)
        return Response()

    policy = Policy(retry=1, delay=0.01, timeout=0.05)
    async with (
        subscriber() as sink,
        subscriber(hang) as one,
        running(tmp_path, [route(one.url, policy, sink.url)]) as broker,
    ):
        await broker.send()
        await eventually(lambda: sink.received)
    assert len(one.received) == 2
    assert not [name for name in sink.received[0].headers if name.startswith("ce-knativeerror")]


async def test_a_refused_connection_is_retried_and_dead_lettered(tmp_path: Path) -> None:
    async with subscriber() as sink:
        nobody = route("http://127.0.0.1:9/", sink=sink.url)
        async with running(tmp_path, [nobody]) as broker:
            await broker.send()
            await eventually(lambda: sink.received)
    assert sink.received[0].event.extensions["knativeerrorcode"] == "500"


async def test_a_body_that_is_no_event_is_retried_and_dead_lettered_without_error(
    tmp_path: Path,
) -> None:
    async with (
        subscriber() as sink,
        subscriber(lambda _: Response(b"hello")) as one,
        running(tmp_path, [route(one.url, sink=sink.url)]) as broker,
    ):
        await broker.send()
        await eventually(lambda: sink.received)
    assert len(one.received) == 4
    assert "ce-knativeerrorcode" not in sink.received[0].headers


async def test_a_reply_without_type_is_dead_lettered_at_once_with_400(tmp_path: Path) -> None:
    reply = {"ce-specversion": "1.0", "ce-id": "r", "ce-source": "s"}
    async with (
        subscriber() as sink,
        subscriber(lambda _: Response(b"", headers=reply)) as one,
        running(tmp_path, [route(one.url, sink=sink.url)]) as broker,
    ):
        await broker.send()
        await eventually(lambda: sink.received)
    assert len(one.received) == 1
    assert sink.received[0].event.extensions["knativeerrorcode"] == "400"


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


async def test_an_endless_loop_of_replies_ends_in_the_dead_letter_sink(tmp_path: Path) -> None:
    headers, body = to_http(EVENT)
    async with (
        subscriber() as sink,
        subscriber(lambda _: Response(body, 200, headers)) as one,
        running(tmp_path, [route(one.url, sink=sink.url)]) as broker,
    ):
        await broker.send(ce_knativebrokerttl="x")
        written, sent = to_http(EVENT)
        few = written | {"ce-knativebrokerttl": "5"}
        await broker.client.post(f"{broker.url}/ns/default", content=sent, headers=few)
        await eventually(lambda: len(sink.received) == 2, 60)
    assert len(one.received) == 255 + 4
    assert sink.received[0].event.extensions["knativeerrorcode"] == "400"


async def test_the_sink_is_asked_until_it_takes_the_dead_letter(tmp_path: Path) -> None:
    answers = iter([503, 503])
    async with (
        subscriber(lambda _: Response(status_code=next(answers, 202))) as sink,
        subscriber(lambda _: Response(status_code=400)) as one,
        running(tmp_path, [route(one.url, sink=sink.url)]) as broker,
    ):
        await broker.send()
        await eventually(lambda: len(sink.received) == 3)
        await eventually(lambda: not broker.broker._tasks)


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


@pytest.mark.parametrize(
    "address",
    ["http://[bad/", "http://h:99999/", "ftp://h/", "http://\u00fc\ud800/", "nonsense", None],
)
async def test_an_address_that_leads_nowhere_is_a_fault_like_any_other(
    tmp_path: Path, address: str | None
) -> None:
    lost = Route("uid", NAME, compile_trigger({}), address, QUICK)
    async with (
        subscriber() as sink,
        running(tmp_path, [replace(lost, dead_letter_sink=sink.url)]) as broker,
    ):
        await broker.send()
        await eventually(lambda: sink.received)
    assert sink.received[0].event.extensions["knativeerrorcode"] == "500"


async def test_a_header_that_cannot_be_passed_on_is_left_out(tmp_path: Path) -> None:
    async with subscriber() as one, running(tmp_path, [route(one.url)]) as broker:
        headers, body = to_http(EVENT)
        odd = [*headers.items(), (b"x-request-id", "\u00e9".encode("latin-1"))]
        await broker.client.post(f"{broker.url}/ns/default", content=body, headers=odd)
        await eventually(lambda: one.received)
    assert "x-request-id" not in one.received[0].headers
