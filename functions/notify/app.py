"""notify: one event in, one line of text out to a Slack-compatible webhook.

A webhook answers `ok`, which a Broker would take for a broken reply and retry: so it cannot be a
Trigger's subscriber itself. Its 429, 5xx and silence ask for redelivery; any other refusal is final.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from eventing.cloudevent import CloudEvent, MalformedEvent, unwrap
from functions.notify.settings import Settings
from functions.notify.words import escaped, line
from functions.runtime.errors import BadRequest, Unavailable
from functions.runtime.function import Function, event_route, no_warmup
from functions.runtime.http import client

_SECONDS = 10.0
_FIRST_FAULT = 500


@dataclass(frozen=True, slots=True)
class Notify:
    """The webhook, and the client that calls it."""

    settings: Settings
    http: httpx.AsyncClient


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[Notify]:
    """Read the settings."""
    settings = Settings.from_env(environ)
    async with client(timeout=_SECONDS) as http:
        yield Notify(settings, http)


async def handle(event: CloudEvent, notify: Notify) -> CloudEvent | None:
    """Tell of one event."""
    try:
        text = line(unwrap(event))
    except MalformedEvent as error:
        raise BadRequest(str(error)) from error
    if text:
        await _post(notify, {"text": escaped(text)})
    return None


async def _post(notify: Notify, body: dict[str, str]) -> None:
    """Post it; the address is a secret, so no error repeats it."""
    try:
        answer = await notify.http.post(notify.settings.url, json=body)
    except httpx.TransportError as error:
        message = f"the webhook did not answer: {type(error).__name__}"
        raise Unavailable(message, retry_after=5) from None
    if answer.status_code == httpx.codes.TOO_MANY_REQUESTS or answer.status_code >= _FIRST_FAULT:
        raise Unavailable(f"the webhook says {answer.status_code}", retry_after=5)
    if answer.is_error:
        raise BadRequest(f"the webhook refused with {answer.status_code}")


function = Function(
    name="notify",
    load=load,
    routes=[event_route(handle, Notify)],
    warm=no_warmup,
)
