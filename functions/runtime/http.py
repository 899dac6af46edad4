"""The client for calls between functions: each carries the request's id and is a span of its trace.

A span is recorded only where a collector is configured (`eventing.telemetry`); places in the trace
travel onward either way. The system's certificates are read with the first encrypted call, once a
process: most calls stay inside the cluster, and reading them takes longer than a model's opening.
"""

import os
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import certifi
import httpx

from eventing import telemetry
from eventing.spans import Span, above, child, parse
from functions.runtime import context, own_key
from functions.runtime.tracing import Attributes


class Certificates(ssl.SSLContext):
    """A client's context that knows whom to trust from its first connection on."""

    _loaded = False

    def wrap_bio(self, *arguments: Any, **options: Any) -> ssl.SSLObject:
        """Load what `SSL_CERT_FILE` or `SSL_CERT_DIR` name, certifi's list otherwise."""
        if not self._loaded:
            own = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
            self.load_verify_locations(*(own if any(own) else (certifi.where(), None)))
            self._loaded = True
        return super().wrap_bio(*arguments, **options)


class Client(httpx.AsyncClient):
    """An httpx client whose every call is a span of the trace."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send with the request's id and its place in the trace."""
        request_id = context.request_id()
        if request_id:
            request.headers.setdefault("x-request-id", request_id)
        own_key.show(request)
        with calling(request):
            return await super().send(request, **options)


def client(timeout: float = 10.0) -> httpx.AsyncClient:
    """Return a client with `timeout` seconds a call; it honours HTTP_PROXY and NO_PROXY."""
    return Client(timeout=timeout, verify=_certificates())


@cache
def _certificates() -> Certificates:
    return Certificates(ssl.PROTOCOL_TLS_CLIENT)


@contextmanager
def calling(request: httpx.Request) -> Iterator[None]:
    """Give a call its place in the trace, and record it when it has ended."""
    here = parse(context.traceparent())
    parent, links = above(here, parse(request.headers.get("ce-traceparent")))
    if telemetry.active() is None:
        if parent:
            request.headers.setdefault("traceparent", parent.traceparent)
        yield
        return
    place, started, failed = child(parent), time.time_ns(), True
    request.headers["traceparent"] = place.traceparent
    try:
        yield
        failed = False
    finally:
        attributes: Attributes = {
            "http.request.method": request.method,
            "server.address": request.url.host,
            "url.path": request.url.path,
        }
        span = (f"{request.method} {request.url.host}", "client", place)
        telemetry.record(
            lambda: Span(
                *span, started, time.time_ns(), parent, links, attributes=attributes, failed=failed
            )
        )
