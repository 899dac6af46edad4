"""rollout: a synced model, a changed Service or a tick → every rollout moves as far as it can."""

import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from eventing.cloudevent import CloudEvent, MalformedEvent, unwrap
from eventing.events import PING, ModelSynced
from functions.rollout import upload
from functions.rollout.announce import Announcer
from functions.rollout.controller import Controller, Tools
from functions.rollout.probes import Probes
from functions.rollout.settings import Settings
from functions.rollout.ticks import Ticks
from functions.runtime import errors as api
from functions.runtime.function import Function, event_route, no_warmup
from functions.runtime.http import client
from knative.serving import errors
from knative.serving.client import SERVICES, KubeClient
from knative.serving.kubeconfig import find

_LOG = logging.getLogger(__name__)
_TRIES = 8


@dataclass(frozen=True, slots=True)
class Rollout:
    """The open connections, and the controller that uses them."""

    kube: KubeClient
    announcer: Announcer
    controller: Controller


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[Rollout]:
    """Connect to the API server."""
    settings = Settings.from_env(environ)
    async with AsyncExitStack() as stack:
        kube = KubeClient(find(environ))
        stack.push_async_callback(kube.close)
        http = await stack.enter_async_context(client(timeout=30.0))
        announcer = Announcer(kube, http, settings.broker_url)
        schedules = {"fast": settings.tick, "slow": settings.slow_tick}
        tools = Tools(
            kube=kube,
            probes=Probes(http, settings),
            announcer=announcer,
            ticks=Ticks(kube, settings.broker_url, schedules),
            clock=time.time,
        )
        yield Rollout(kube, announcer, Controller(tools))


async def handle(event: CloudEvent, rollout: Rollout) -> CloudEvent | None:
    """Take one event; a passing fault of the API server asks for redelivery."""
    try:
        if event.type == ModelSynced.type:
            await _synced(event, rollout)
        await rollout.controller.look(patient=event.type != PING)
    except errors.NotFound as error:
        raise api.NotFound(error.message) from error
    except errors.Refused as error:
        raise api.Invalid(error.message) from error
    except errors.KubeError as error:
        raise api.Unavailable(str(error)) from error
    return None


async def _synced(event: CloudEvent, rollout: Rollout) -> None:
    model = _model(event)
    if not model.service:
        _LOG.info("%s %s: names no Service, nothing to roll out", model.name, model.version)
        return
    trace = event.extensions.get("traceparent", "")
    for _ in range(_TRIES):
        service = await rollout.kube.get(SERVICES, model.service)
        planned = upload.plan(service, model, trace, time.time())
        if planned.service is None:
            _LOG.info("%s: nothing to do, %s", model.service, planned.why)
            return
        try:
            await rollout.kube.update(SERVICES, planned.service)
        except errors.Conflict:
            continue
        return
    raise api.Unavailable(f"{model.service} is being written by others")


def _model(event: CloudEvent) -> ModelSynced:
    try:
        model = unwrap(event)
    except MalformedEvent as error:
        raise api.BadRequest(str(error)) from error
    if not isinstance(model, ModelSynced):
        raise api.BadRequest(f"{event.type} does not carry a synced model")
    return model


function: Function[Rollout] = Function(
    name="rollout",
    load=load,
    routes=[event_route(handle, Rollout)],
    warm=no_warmup,
)
