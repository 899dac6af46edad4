"""Around every request: an id, a place in the trace, a limit, one log line, one latency sample."""

import logging
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from functions.runtime import context, metrics, tracing
from functions.runtime.errors import TooLarge

log = logging.getLogger("functions.requests")
LONGEST_ID = 128
"""Characters of a caller's request id that are kept."""


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


class LimitBody:
    """ASGI middleware: reading a body past `limit` bytes raises TooLarge, so 413 has our JSON."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app, self.limit = app, limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a counted body."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        received = int(declared) if declared.isdecimal() and int(declared) > self.limit else 0

        async def counted() -> Message:
            nonlocal received
            if received <= self.limit:
                message = await receive()
                received += len(message.get("body", b""))
                if received <= self.limit:
                    return message
            text = f"the body is over {self.limit} bytes"
            raise TooLarge(text)

        await self.app(scope, counted, send)


def _record(scope: Scope, status: int, seconds: float) -> None:
    labels = {"method": scope["method"], "route": _route(scope), "status": str(status)}
    metrics.REQUEST_SECONDS.labels(**labels).observe(seconds)
    log.info(
        "%s %s %d",
        scope["method"],
        scope["path"],
        status,
        extra={"fields": {"status": status, "seconds": round(seconds, 4)}},
    )


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
