"""What streams both ways through the gateway, and what time a Revision gives. Real Envoy, real functions."""

import asyncio
import json
import queue
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from websockets.asyncio.client import connect

from tests.support import h2c_function, streaming_function
from tests.support.data_plane import Plane, data_plane, eventually

HOST = "web.ns.localhost"
KEEP = {"autoscaling.knative.dev/min-scale": "1"}
ALL = {"revisionName": "web-00001", "percent": 100}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with data_plane(tmp_path) as running:
        yield running


def container(function: Any, **more: Any) -> dict[str, Any]:
    return {"image": "example/stream", "command": ["python", str(function.__file__)], **more}


async def streaming(plane: Plane, *, limit: int = 0, **spec: Any) -> None:
    """Start the streaming function as the one Revision; with a limit it is behind the activator."""
    own = {"containers": [container(streaming_function)], "containerConcurrency": limit, **spec}
    plane.revision("web-00001", annotations=KEEP, spec=own)
    plane.route(ALL)
    await plane.answered()


async def pieces(answer: httpx.Response) -> AsyncIterator[bytes]:
    async for piece in answer.aiter_raw():
        yield piece


@pytest.mark.parametrize("limit", [0, 10], ids=["straight", "by-the-activator"])
async def test_server_sent_events_bodies_and_websockets_stream_both_ways(
    plane: Plane, limit: int
) -> None:
    await streaming(plane, limit=limit)
    await an_event_comes_before_the_next_is_made(plane)
    await a_piece_of_a_body_arrives_before_the_next_is_sent(plane)
    await a_websocket_talks(plane)
    await a_caller_that_goes_is_gone_for_the_function_too(plane)


async def an_event_comes_before_the_next_is_made(plane: Plane) -> None:
    async with plane.client.stream("GET", "/events", headers={"host": HOST}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert await anext(lines) == "data: first"
        assert (await plane.get("/go")).text == "on"
        assert [line async for line in lines if line] == ["data: second"]


async def a_piece_of_a_body_arrives_before_the_next_is_sent(plane: Plane) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
    head = f"POST /echo/ HTTP/1.1\r\nhost: {HOST}\r\ntransfer-encoding: chunked\r\n\r\n"
    writer.write(head.encode() + b"3\r\none\r\n")
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    assert await reader.readuntil(b"one\r\n") == b"3\r\none\r\n"
    writer.write(b"3\r\ntwo\r\n0\r\n\r\n")
    assert await reader.readuntil(b"0\r\n\r\n") == b"3\r\ntwo\r\n0\r\n\r\n"
    writer.close()


async def a_websocket_talks(plane: Plane) -> None:
    address = {"host": "127.0.0.1", "port": plane.port, "proxy": None}
    async with connect(f"ws://{HOST}/socket", **address) as socket:
        for word in ("a", "b"):
            await socket.send(word)
            assert await socket.recv() == f"{word} {word}"


async def a_caller_that_goes_is_gone_for_the_function_too(plane: Plane) -> None:
    with suppress(httpx.ReadTimeout):
        await plane.get("/silent", timeout=0.3)
    await eventually(lambda: plane.get("/gone"), lambda answer: answer.text == "1")


async def test_a_function_of_http2_without_tls_streams_both_ways_and_wakes_for_it(
    plane: Plane,
) -> None:
    port = {"name": "h2c", "containerPort": 8080}
    own = {"containers": [container(h2c_function, ports=[port])]}
    plane.revision("web-00001", spec=own)
    plane.route(ALL)
    await eventually(plane.get, lambda answer: answer.status_code != 404)
    said = await asyncio.to_thread(talk, plane.port)
    assert said == [b"ONE", b"TWO"]


def talk(port: int) -> list[bytes]:
    """Say a word, hear it, say the next."""
    words: queue.Queue[bytes | None] = queue.Queue()

    def spoken() -> Iterator[bytes]:
        while word := words.get():
            yield word

    options = [("grpc.default_authority", HOST), ("grpc.enable_http_proxy", 0)]
    with grpc.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        heard = channel.stream_stream(h2c_function.METHOD)(
            spoken(), timeout=30, wait_for_ready=True
        )
        said = []
        for word in (b"one", b"two"):
            words.put(word)
            said.append(next(heard))
        words.put(None)
        return said


async def test_an_offer_to_upgrade_to_h2c_is_not_taken_and_the_answer_is_http_1_1(
    plane: Plane,
) -> None:
    plane.revision("web-00001", annotations=KEEP)
    plane.route(ALL)
    await plane.answered()
    offer = "connection: Upgrade, HTTP2-Settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", plane.port)
    writer.write(f"GET /headers HTTP/1.1\r\nhost: {HOST}\r\n{offer}\r\n".encode())
    status, *answered = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    assert status == "HTTP/1.1 200 OK"
    headers = dict(line.split(": ", 1) for line in answered)
    arrived = json.loads(await reader.readexactly(int(headers["content-length"])))
    assert not {"upgrade", "http2-settings"} & (headers.keys() | arrived.keys())
    writer.close()


@pytest.mark.parametrize("limit", [0, 10], ids=["straight", "by-the-activator"])
async def test_the_first_byte_has_its_own_time_and_an_answer_that_began_in_time_goes_on(
    plane: Plane, limit: int
) -> None:
    await streaming(plane, limit=limit, responseStartTimeoutSeconds=1)
    began = time.monotonic()
    late = await plane.get("/silent")
    assert late.status_code == 504
    assert late.json()["error"]["code"] == "deadline_exceeded"
    assert time.monotonic() - began < 15  # of the 20 s that the whole may take
    assert (await plane.get("/begin")).text == "begun ended"


@pytest.mark.parametrize("limit", [0, 10], ids=["straight", "by-the-activator"])
async def test_each_revision_of_a_split_keeps_its_own_time(plane: Plane, limit: int) -> None:
    slow = {"containers": [container(streaming_function)]}
    quick = {**slow, "timeoutSeconds": 1, "containerConcurrency": limit}
    for name, spec in (("web-00001", slow), ("web-00002", quick)):
        plane.revision(name, annotations=KEEP, spec=spec)
    half = {"percent": 50, "tag": "slow"}, {"percent": 50, "tag": "quick"}
    plane.route({**ALL, **half[0]}, {"revisionName": "web-00002", **half[1]})
    for tag in ("slow", "quick"):
        await plane.answered(f"{tag}-{HOST}")
    answers = await asyncio.gather(
        *(plane.get("/begin") for _ in range(16)), return_exceptions=True
    )
    whole = [a for a in answers if isinstance(a, httpx.Response) and a.text == "begun ended"]
    assert 0 < len(whole) < 16  # the others were cut off after a second


async def test_an_answer_that_falls_silent_is_ended_after_its_idle_time(plane: Plane) -> None:
    await streaming(plane, idleTimeoutSeconds=1)
    await eventually(
        lambda: is_cut(plane), bool
    )  # a request that may have to wait for a start has longer
    assert (await plane.get("/")).status_code == 200


async def is_cut(plane: Plane) -> bool:
    try:
        await plane.get("/begin")
    except httpx.RemoteProtocolError:
        return True
    return False


async def test_a_process_whose_liveness_probe_fails_is_restarted_and_the_reason_told(
    plane: Plane,
) -> None:
    health = {"httpGet": {"path": "/health"}}
    probes = {
        "livenessProbe": health | {"periodSeconds": 0.1, "failureThreshold": 2},
        "startupProbe": health | {"failureThreshold": 30},  # however slowly it starts
    }
    await streaming(plane, containers=[container(streaming_function, **probes)])
    sick = (await plane.get("/sick")).text
    await eventually(lambda: plane.get("/"), lambda a: a.status_code == 200 and a.text != sick)
    words = [json.dumps(event) for event in plane.store.list("Event")]
    assert any("Unhealthy" in w and "Liveness probe failed" in w for w in words)
    assert plane.pods()[0]["status"]["containerStatuses"][0]["restartCount"] == 1
