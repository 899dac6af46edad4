"""Around every request: an id, a place in the trace, a limit, one log line, one latency sample."""

import asyncio
import logging
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.runtime import context, metrics, tracing
from functions.runtime.auth import Refuse
from functions.runtime.errors import TooLarge, TooManyHeaders, TooSlow

log = logging.getLogger("functions.requests")
LONGEST_ID = 128
"""Characters of a caller's request id that are kept."""
MOST_HEADERS = 100
"""Header lines of a request; Envoy's own limit."""
BODY_SECONDS = 30.0
"""How long a body may take to arrive, where `BODY_SECONDS` says nothing else."""
FAILURES = ("500", "503")
"""What a route that was asked is counted for from its first answer on."""


class ObserveRequests:
    """ASGI middleware; probes are left out, they would drown everything else."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request and record it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        request_id, opened = _enter(headers)
        status, started = 500, time.monotonic()

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _mark(message, request_id)
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        finally:
            if not scope["path"].startswith("/health"):
                _record(scope, status, time.monotonic() - started)
                tracing.close_request(opened, headers, _words(scope, status))


def _enter(headers: Headers) -> tuple[str, tracing.Opened | None]:
    """Make the request current; return its id, the caller's or a new one, and its open span."""
    request_id = headers.get("x-request-id", "")[:LONGEST_ID] or uuid.uuid4().hex
    traceparent, opened = tracing.open_request(headers, time.time_ns())
    context.enter(context.RequestContext(request_id, traceparent))
    return request_id, opened


def _mark(message: Message, request_id: str) -> None:
    answer = MutableHeaders(scope=message)
    answer["x-request-id"] = request_id
    answer["x-revision"] = metrics.revision()  # who answered, for people and canaries


class LimitRequest:
    """ASGI middleware: a body past `limit` bytes or `seconds` raises while it is read.

    So 413 and 408 have our JSON; too many header lines are refused before anything is done.
    """

    def __init__(self, app: ASGIApp, limit: int, refuse: Refuse, seconds: float) -> None:
        self.app, self.limit, self._refuse, self._seconds = app, limit, refuse, seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counted body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
        elif len(scope["headers"]) > MOST_HEADERS:
            error = TooManyHeaders(f"more than {MOST_HEADERS} header lines")
            await self._refuse(scope, error)(scope, receive, send)
        else:
            await self.app(scope, _counted(scope, receive, self.limit, self._seconds), send)


def _counted(scope: Scope, receive: Receive, limit: int, seconds: float) -> Receive:
    declared = Headers(scope=scope).get("content-length", "0")
    received = int(declared) if declared.isdecimal() and int(declared) > limit else 0
    deadline: float | None = time.monotonic() + seconds

    async def counted() -> Message:
        nonlocal received, deadline
        if received <= limit:
            message = await _in_time(receive, deadline, seconds)
            received += len(message.get("body", b""))
            if not message.get("more_body"):
                deadline = None  # what comes next is the end of the connection
            if received <= limit:
                return message
        raise TooLarge(f"the body is over {limit} bytes")

    return counted


async def _in_time(receive: Receive, deadline: float | None, seconds: float) -> Message:
    try:
        left = None if deadline is None else deadline - time.monotonic()
        async with asyncio.timeout(left):
            return await receive()
    except TimeoutError as error:
        raise TooSlow(f"the body did not arrive within {seconds:g} s") from error


def _record(scope: Scope, status: int, seconds: float) -> None:
    labels = {"method": scope["method"], "route": _route(scope), "status": str(status)}
    metrics.soon(lambda: _count(labels, seconds))
    log.info(
        "%s %s %d",
        scope["method"],
        scope["path"],
        status,
        extra={"fields": {"status": status, "seconds": round(seconds, 4)}},
    )


def _count(labels: dict[str, str], seconds: float) -> None:
    metrics.REQUEST_SECONDS.labels(**labels).observe(seconds)
    for failure in FAILURES:  # at nought before the first one: no rate sees how a series is born
        metrics.REQUEST_SECONDS.labels(**{**labels, "status": failure})


def _words(scope: Scope, status: int) -> tracing.Attributes:
    return {
        "http.request.method": scope["method"],
        "http.route": _route(scope),
        "url.path": scope["path"],
        "http.response.status_code": status,
    }


def _route(scope: Scope) -> str:
    """Return the pattern: a path would be unbounded labels."""
    return str(getattr(scope.get("route"), "path", "unmatched"))
