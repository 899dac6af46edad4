"""The client for calls between functions: they carry the request's id and trace onward."""

from typing import Any

import httpx

from functions.runtime import context, own_key, tracing


class Client(httpx.AsyncClient):
    """An httpx client whose every call is a span of the trace."""

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        """Send with the request's id and its place in the trace."""
        request_id = context.request_id()
        if request_id:
            request.headers.setdefault("x-request-id", request_id)
        own_key.show(request)
        with tracing.calling(request):
            return await super().send(request, **options)


def client(timeout: float = 10.0) -> httpx.AsyncClient:
    """Return a client with `timeout` seconds a call; it honours HTTP_PROXY and NO_PROXY."""
    return Client(timeout=timeout)
