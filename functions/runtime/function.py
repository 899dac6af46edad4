"""A function: a name, a resource to load and warm, and routes that use it.

The same value is served three ways: by our server (`python -m functions.runtime MODULE:function`),
by plain functions-framework (through `runtime.framework`), and in tests (through `runtime.app`).
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from functions.runtime.errors import ApiError, BadRequest
from functions.runtime.lifecycle import Lifecycle
from functions.runtime.metrics import EVENTS

if TYPE_CHECKING:  # a function that takes no events starts without them
    from eventing.cloudevent import CloudEvent

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Function(Generic[T]):
    """Everything the runtime needs to know of a function.

    `load` opens the resource from the environment and closes it on the way out; `warm` makes one
    real inference with it; `max_body` is in bytes, 413 past it.
    """

    name: str
    load: Callable[[Mapping[str, str]], AbstractAsyncContextManager[T]]
    routes: Sequence[BaseRoute]
    warm: Callable[[T], Awaitable[None]]
    max_body: int = 1 << 20


async def no_warmup(_resource: object) -> None:
    """For a function that has nothing to warm."""


def loaded(request: Request, kind: type[T]) -> T:
    """Return the function's resource; raises Unavailable (503) until it is loaded and warm."""
    lifecycle: Lifecycle[Any] = request.app.state.lifecycle
    resource = lifecycle.resource()
    if not isinstance(resource, kind):
        message = f"the resource is {type(resource).__name__}, not {kind.__name__}"
        raise TypeError(message)
    return resource


def event_route(
    handle: "Callable[[CloudEvent, T], Awaitable[CloudEvent | None]]", kind: type[T]
) -> Route:
    """Return `POST /` for one CloudEvent, binary or structured.

    Answers 200 with the reply when there is one and the sender prefers it, 202 otherwise; a
    malformed event is 400, so that the Broker does not retry it but dead-letters it.
    """
    from eventing.cloudevent import MalformedEvent, from_http, to_http  # noqa: PLC0415 - see above

    async def arrived(request: Request) -> "CloudEvent":
        try:
            return from_http(dict(request.headers), await request.body())
        except MalformedEvent as error:
            raise BadRequest(str(error)) from error

    async def endpoint(request: Request) -> Response:
        try:
            reply = await handle(await arrived(request), loaded(request, kind))
        except ApiError as error:
            EVENTS.labels(result=error.code).inc()
            raise
        EVENTS.labels(result="accepted").inc()
        if reply is None or "reply" not in request.headers.get("prefer", ""):
            return Response(status_code=202)
        headers, body = to_http(reply)
        return Response(body, headers=dict(headers))

    return Route("/", endpoint, methods=["POST"])
