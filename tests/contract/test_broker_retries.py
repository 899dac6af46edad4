"""The Broker over real HTTP: what is attempted again, and what ends in the dead letter sink."""

import asyncio
import base64
from dataclasses import replace
from pathlib import Path

import pytest
from starlette.responses import Response

from eventing.broker import Route
from eventing.cloudevent import to_http
from eventing.delivery import Policy
from eventing.filters import compile_trigger
from tests.support.broker import EVENT, NAME, QUICK, route, running
from tests.support.subscriber import Received, eventually, subscriber


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
