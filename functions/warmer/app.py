"""warmer: a rollout started or ended → the Revision that is asked next, and its chain, are awake."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from eventing.cloudevent import CloudEvent, MalformedEvent, unwrap
from functions.runtime.errors import BadRequest, Unavailable
from functions.runtime.function import Function, event_route, no_warmup
from functions.runtime.http import client
from functions.warmer.plan import plan
from functions.warmer.settings import Settings
from functions.warmer.wake import wake


@dataclass(frozen=True, slots=True)
class Warmer:
    """The settings, and the client that calls."""

    settings: Settings
    http: httpx.AsyncClient


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[Warmer]:
    """Read the settings; there is nothing to connect to."""
    settings = Settings.from_env(environ)
    async with client(timeout=settings.seconds) as http:
        yield Warmer(settings, http)


async def handle(event: CloudEvent, warmer: Warmer) -> CloudEvent | None:
    """Wake all that the event asks for at once; who sleeps on is asked again by redelivery."""
    try:
        calls = plan(unwrap(event), warmer.settings)
    except MalformedEvent as error:
        raise BadRequest(str(error)) from error
    try:
        async with asyncio.timeout(warmer.settings.seconds):
            await asyncio.gather(*(wake(warmer.http, call) for call in calls))
    except TimeoutError as error:
        names = ", ".join(call.address for call in calls)
        raise Unavailable(f"not everybody is awake: {names}", retry_after=5) from error
    return None


function: Function[Warmer] = Function(
    name="warmer",
    load=load,
    routes=[event_route(handle, Warmer)],
    warm=no_warmup,
)
