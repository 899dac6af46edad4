"""The client for calls between functions: they carry the request's id and trace onward."""

import httpx

from functions.runtime import context


async def _propagate(request: httpx.Request) -> None:
    request_id, traceparent = context.request_id(), context.traceparent()
    if request_id:
        request.headers.setdefault("x-request-id", request_id)
    if traceparent:
        request.headers.setdefault("traceparent", traceparent)


def client(timeout: float = 10.0) -> httpx.AsyncClient:
    """Return a client with `timeout` seconds a call; it honours HTTP_PROXY and NO_PROXY."""
    return httpx.AsyncClient(timeout=timeout, event_hooks={"request": [_propagate]})
