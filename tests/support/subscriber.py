"""A real HTTP server that plays subscriber or sink, and a way to serve any app for a test."""

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field

import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eventing.cloudevent import CloudEvent, from_http

Answer = Callable[["Received"], Response | Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Received:
    path: str
    headers: dict[str, str]
    body: bytes
    at: float

    @property
    def event(self) -> CloudEvent:
        return from_http(self.headers, self.body)


@dataclass
class Subscriber:
    """Records what it is sent; `answer` decides what it says, 202 by default."""

    answer: Answer = field(default=lambda _: Response(status_code=202))
    received: list[Received] = field(default_factory=list)
    url: str = ""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        body = await request.body()
        got = Received(request.url.path, dict(request.headers), body, time.monotonic())
        self.received.append(got)
        said = self.answer(got)
        response = said if isinstance(said, Response) else await said
        await response(scope, receive, send)


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """Serve `app` on a free loopback port; yields its address."""
    # Without the protocol asyncio leaves Nagle's algorithm on: 40 ms an answer.
    with socket.socket(proto=socket.IPPROTO_TCP) as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(app, lifespan="off", log_level="warning", ws="none")
        server = _Server(config)
        task = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(lambda: server.started)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = server.force_exit = True
            await task


@contextlib.asynccontextmanager
async def subscriber(answer: Answer | None = None) -> AsyncIterator[Subscriber]:
    app = Subscriber() if answer is None else Subscriber(answer)
    async with serving(app) as url:
        app.url = url
        yield app


async def eventually(condition: Callable[[], object], seconds: float = 10) -> None:
    """Poll until the condition holds; fail past the deadline."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)
