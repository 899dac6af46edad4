"""The Broker's door: `POST /<namespace>/<broker>` with one event, answered 202 once it is on disk.

Every status is Knative's own: 400 for what is no event or no path of a Broker, 404 for a Broker
that is not there (a query string makes the name unknown), 405 for another method.
"""

import asyncio

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from eventing.broker import Broker, HopsExhausted, Overloaded, UnknownBroker
from eventing.cloudevent import MalformedEvent, read_raw

MAX_HEADERS = 1 << 20
MAX_BODY = 100 << 20
UPLOAD_SECONDS = 10.0
_ALLOW = {"allow": "POST, OPTIONS"}


_STATUS: dict[type[Exception], int] = {
    MalformedEvent: 400,
    HopsExhausted: 400,
    UnknownBroker: 404,
    Overloaded: 503,
}


class _Refused(Exception):
    """The request gets this status, for a reason that HTTP knows and events do not."""

    def __init__(self, status: int) -> None:
        super().__init__("")
        self.status = status


def build_app(broker: Broker) -> ASGIApp:
    """Make the ASGI application in front of `broker`."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            response = await _answer(broker, Request(scope, receive))
            await response(scope, receive, send)

    return app


async def _answer(broker: Broker, request: Request) -> Response:
    if request.method != "POST":
        return Response(status_code=200 if request.method == "OPTIONS" else 405, headers=_ALLOW)
    try:
        target = _target(request)
        event = read_raw(request.headers, await _body(request))
        await broker.accept(target, event, request.headers)
    except _Refused as refused:
        return Response(status_code=refused.status)
    except tuple(_STATUS) as error:
        headers = {"retry-after": "1"} if isinstance(error, Overloaded) else None
        return Response(str(error), _STATUS[type(error)], headers)
    return Response(status_code=202)


def _target(request: Request) -> tuple[str, str]:
    if sum(len(name) + len(value) for name, value in request.headers.raw) > MAX_HEADERS:
        raise _Refused(431)
    path = request.url.path
    if path == "/" or request.url.query:
        raise _Refused(404)
    segments = path.removeprefix("/").removesuffix("/").split("/")
    if len(segments) != len(("namespace", "broker")):
        raise _Refused(400)
    return segments[0], segments[1]


async def _body(request: Request) -> bytes:
    chunks, size = [], 0
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            async for chunk in request.stream():
                chunks.append(chunk)
                size += len(chunk)
                if size > MAX_BODY:
                    raise _Refused(413)
    except (TimeoutError, ClientDisconnect) as error:
        raise _Refused(408) from error
    return b"".join(chunks)
