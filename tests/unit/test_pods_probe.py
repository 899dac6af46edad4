"""Readiness is asked of the process: what counts as a yes, when it is taken back, what asking costs."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus

import httpx
import pytest

from knative.local.pods_probe import Probe, death
from knative.local.processes import server_port

HTTP = {"httpGet": {"path": "/ready"}, "periodSeconds": 0.01}


@dataclass
class Server:
    port: int
    status: HTTPStatus = HTTPStatus.OK
    asked: int = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        head = f"HTTP/1.1 {self.status.value} x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        writer.write(head.encode())
        writer.close()


@asynccontextmanager
async def listening(server: Server) -> AsyncIterator[None]:
    async with await asyncio.start_server(server.answer, "127.0.0.1", server.port):
        yield


async def test_a_process_is_ready_from_the_moment_it_listens_not_before() -> None:
    server = Server(server_port())
    async with aclosing(Probe({"tcpSocket": {}}, server.port).results()) as results:
        first = asyncio.ensure_future(anext(results))
        await asyncio.sleep(0.05)
        assert not first.done()
        async with listening(server):
            assert await first


async def test_an_answer_that_is_an_error_is_a_no() -> None:
    server = Server(server_port(), HTTPStatus.SERVICE_UNAVAILABLE)
    async with listening(server), aclosing(Probe(HTTP, server.port).results()) as results:
        first = asyncio.ensure_future(anext(results))
        while server.asked < 3:
            await asyncio.sleep(0.01)
        assert not first.done()
        server.status = HTTPStatus.OK
        assert await first


async def test_only_several_refusals_in_a_row_take_readiness_back() -> None:
    server = Server(server_port())
    async with listening(server), aclosing(Probe(HTTP, server.port).results()) as results:
        assert await anext(results)
        server.status, server.asked = HTTPStatus.INTERNAL_SERVER_ERROR, 0
        assert not await anext(results)
        assert server.asked == 3


async def test_asking_loads_no_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> ssl.SSLContext:
        raise AssertionError("the system's certificates were loaded")

    monkeypatch.setattr(ssl, "create_default_context", refuse)
    monkeypatch.setattr(httpx, "create_ssl_context", refuse)
    server = Server(server_port())
    async with listening(server), aclosing(Probe(HTTP, server.port).results()) as results:
        assert await anext(results)


async def test_a_pod_without_a_probe_is_ready_once_it_runs() -> None:
    async with aclosing(Probe(None, server_port()).results()) as results:
        assert await anext(results)


async def test_several_refusals_in_a_row_are_the_death_of_a_process_that_has_a_liveness_probe() -> (
    None
):
    server = Server(server_port())
    async with listening(server):
        dead = asyncio.create_task(death({"livenessProbe": HTTP}, server.port))
        while server.asked < 2:
            await asyncio.sleep(0.01)
        server.status, server.asked = HTTPStatus.INTERNAL_SERVER_ERROR, 0
        assert await dead == "Liveness probe failed"
        assert server.asked >= 3


async def test_a_process_that_is_not_up_in_the_time_of_its_startup_probe_is_dead() -> None:
    startup = {"tcpSocket": {}, "periodSeconds": 0.02, "failureThreshold": 2}
    assert await death({"startupProbe": startup}, server_port()) == "Startup probe failed"


async def test_nobody_asks_whether_it_lives_before_its_startup_probe_had_a_yes() -> None:
    server = Server(server_port())
    startup = {"tcpSocket": {}, "periodSeconds": 30}
    container = {"startupProbe": startup, "livenessProbe": HTTP}
    dead = asyncio.create_task(death(container, server.port))
    await asyncio.sleep(0.1)  # many times the period of the liveness probe
    assert not dead.done()
    async with listening(server):
        while server.asked < 2:
            await asyncio.sleep(0.01)
    assert await dead == "Liveness probe failed"
