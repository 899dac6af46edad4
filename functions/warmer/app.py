"""warmer: who is asked next is awake, and its chain with it.

A rollout that started or ended says who that is; between rollouts, each tick's forecast does.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from eventing.cloudevent import CloudEvent, MalformedEvent, unwrap
from eventing.events import PING
from functions.runtime.errors import BadRequest, Unavailable
from functions.runtime.function import Function, event_route, no_warmup
from functions.runtime.http import client
from functions.warmer.foresee import Foresight, tick
from functions.warmer.plan import plan
from functions.warmer.settings import Settings
from functions.warmer.wake import wake
from knative.serving import errors
from knative.serving.client import KubeClient
from knative.serving.kubeconfig import NoCluster, find


@dataclass(frozen=True, slots=True)
class Warmer:
    """The settings, the client that calls, and where the cluster is, for the forecast."""

    settings: Settings
    http: httpx.AsyncClient
    environ: Mapping[str, str] = field(default_factory=dict)


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[Warmer]:
    """Read the settings; the API server is looked for by a tick alone."""
    settings = Settings.from_env(environ)
    async with client(timeout=settings.seconds) as http:
        yield Warmer(settings, http, environ)


async def handle(event: CloudEvent, warmer: Warmer) -> CloudEvent | None:
    """Wake all that the event asks for at once; who sleeps on is asked again by redelivery."""
    if event.type == PING:
        await _foresee(warmer)
        return None
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


async def _foresee(warmer: Warmer) -> None:
    """Make one tick; one that cannot be made is lost, and the next knows that nobody saw it."""
    try:
        kube = KubeClient(find(warmer.environ))
    except NoCluster as error:
        raise Unavailable(str(error)) from error
    try:
        await tick(Foresight(kube, warmer.http, warmer.settings), time.time())
    except (errors.KubeError, httpx.HTTPError) as error:
        raise Unavailable(f"no forecast: {error!r}") from error
    finally:
        await kube.close()


function: Function[Warmer] = Function(
    name="warmer",
    load=load,
    routes=[event_route(handle, Warmer)],
    warm=no_warmup,
)
