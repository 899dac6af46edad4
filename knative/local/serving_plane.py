"""The data plane's parts put together: Pods, Envoy, routes, activator, autoscaler, metrics."""

import asyncio
import resource
from collections.abc import Awaitable, Callable
from contextlib import suppress

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Mount, Route

from knative.local.asgi import serve
from knative.local.dataplane import stats
from knative.local.dataplane.bootstrap import Ports
from knative.local.dataplane.controller import DataPlane
from knative.local.dataplane.envoy import Envoy
from knative.local.forks import Forks
from knative.local.instance import Platform
from knative.local.pods import PodRunner
from knative.local.pods_env import Surroundings
from knative.local.processes import server_port
from knative.local.scaling import Scaler
from knative.local.scrape import targets
from knative.local.store import Store


async def run(platform: Platform) -> None:
    """Run Pods and carry requests to them until cancelled."""
    _allow_many_connections()
    ports = Ports(
        platform.gateway_port, server_port(), platform.activator_port, platform.ingress_port
    )
    around = Surroundings(platform.data, platform.gateway_port, platform.data / "kubeconfig")
    runner = PodRunner(platform.store, around)
    envoy = Envoy(platform.data, ports)
    plane = DataPlane(platform.store, runner, envoy, platform.domain)
    scaler = Scaler(platform.store, runner, plane)
    envoy.prepare(plane.resources())
    app = Starlette(
        routes=[
            Route("/metrics", metrics_endpoint(platform.store, envoy, runner.forks)),
            Route("/targets", targets_endpoint(platform.store)),
            Route("/v3/discovery:{subject}", envoy.discovery.answer, methods=["POST"]),
            Mount("/activate", app=scaler.activator),
        ]
    )
    async with envoy.admin, asyncio.TaskGroup() as carrier, asyncio.TaskGroup() as group:
        # Envoy ends last: what is at work when the platform ends has its chance to be answered.
        carrier.create_task(envoy.run())
        for part in (serve(app, platform.activator_port), runner.run()):
            group.create_task(part)
        await envoy.ready()
        group.create_task(plane.run())
        group.create_task(scaler.run())


def metrics_endpoint(
    store: Store, envoy: Envoy, forks: Forks
) -> Callable[[Request], Awaitable[PlainTextResponse]]:
    """Make the endpoint that answers with the request metrics of all Revisions, and our own."""

    async def answer(_: Request) -> PlainTextResponse:
        revisions = [r["metadata"] for r in store.list("Revision")]
        labels = {(m["namespace"], m["name"]): m.get("labels") or {} for m in revisions}
        return PlainTextResponse(stats.metrics(await envoy.readings(), labels) + forks.metrics())

    return answer


def targets_endpoint(store: Store) -> Callable[[Request], Awaitable[JSONResponse]]:
    """Make the endpoint of Prometheus' HTTP discovery."""

    async def answer(_: Request) -> JSONResponse:
        return JSONResponse(targets(store.list("Pod")))

    return answer


def _allow_many_connections() -> None:
    # Ten thousand waiting requests are as many connections; children inherit the limit.
    with suppress(ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
