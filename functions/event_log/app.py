"""`POST /` keeps one event, `GET /v1/events?limit=N` lists the latest.

The data is kept as it came: a dead letter may be here just because its data cannot be read.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eventing.cloudevent import MalformedEvent, read_raw
from functions.event_log.log import EventLog
from functions.event_log.settings import from_env
from functions.runtime.errors import BadRequest
from functions.runtime.function import Function, loaded, no_warmup

_MOST = 1000


@asynccontextmanager
async def _load(environ: Mapping[str, str]) -> AsyncIterator[EventLog]:
    settings = from_env(environ)
    await asyncio.to_thread(settings.directory.mkdir, parents=True, exist_ok=True)
    yield EventLog(settings.directory, settings.keep)


async def _keep(request: Request) -> Response:
    log = loaded(request, EventLog)
    try:
        event = read_raw(request.headers, await request.body())
    except MalformedEvent as error:
        raise BadRequest(str(error)) from error
    await asyncio.to_thread(log.add, event)
    return Response(status_code=202)


async def _list(request: Request) -> Response:
    log = loaded(request, EventLog)
    text = request.query_params.get("limit", "100")
    if not text.isdecimal() or not 1 <= int(text) <= _MOST:
        raise BadRequest(f"limit must be a number from 1 to {_MOST}")
    events = await asyncio.to_thread(log.newest, int(text))
    return JSONResponse({"count": await asyncio.to_thread(log.count), "events": events})


function = Function(
    name="event-log",
    load=_load,
    routes=[Route("/", _keep, methods=["POST"]), Route("/v1/events", _list, methods=["GET"])],
    warm=no_warmup,
    max_body=100 << 20,
)
