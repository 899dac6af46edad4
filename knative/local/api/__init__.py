"""The Kubernetes API of the platform, as `kubectl`, `kn` and client libraries expect it."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path

from starlette.applications import Starlette

from knative.local.api import namespaces
from knative.local.api.app import Api, build
from knative.local.api.kubeconfig import write_kubeconfig
from knative.local.api.objects import Objects
from knative.local.api.seed import seed
from knative.local.api.tls import certificate
from knative.local.asgi import serve
from knative.local.instance import Platform
from knative.local.store import Store

__all__ = ["build_app", "run"]


def build_app(store: Store, token: str, data: Path) -> Starlette:
    """Return the API as an ASGI app over a store that has the platform's namespaces."""
    seed(store)
    return build(Api(Objects(store, lambda: datetime.now(UTC)), data / "logs"), token)


async def run(platform: Platform) -> None:
    """Serve the API and write the kubeconfig that leads to it, until cancelled."""
    app = build_app(platform.store, platform.token, platform.data)
    write_kubeconfig(platform.data, platform.api_port, platform.token)
    tls = certificate(platform.data)
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(app, platform.api_port, tls))
        group.create_task(namespaces.run(platform.store))
