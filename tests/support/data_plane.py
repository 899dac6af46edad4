"""The data plane alone, over Routes and Revisions written by hand into a Store."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from knative.local import serving_plane
from knative.local.errors import NotFound
from knative.local.instance import Platform
from knative.local.processes import server_port
from knative.local.store import Object, Store

NS = "ns"
FUNCTION = ["python", str(Path(__file__).with_name("tiny_function.py"))]
METRICS = "request-metrics.knative-serving.svc.cluster.local"
API = "serving.knative.dev/v1"


@dataclass(frozen=True, slots=True)
class Plane:
    """A running data plane and its caller."""

    store: Store
    data: Path
    port: int
    client: httpx.AsyncClient
    running: asyncio.Task[None]

    async def stop(self) -> None:
        """End the data plane, as a SIGTERM of the platform does."""
        self.running.cancel()
        with suppress(asyncio.CancelledError):
            await self.running

    def revision(self, name: str, *, spec: Any = None, annotations: Any = None, **env: str) -> None:
        """Make a Revision whose process is the tiny function with this environment."""
        variables = [{"name": key, "value": value} for key, value in env.items()]
        container = {"image": "example/tiny", "command": FUNCTION, "env": variables}
        service = {
            "serving.knative.dev/service": "web",
            "serving.knative.dev/configuration": "web",
            "serving.knative.dev/configurationGeneration": name.rpartition("-")[2],
        }
        meta = {"name": name, "namespace": NS, "labels": service}
        self.store.create(
            {
                "apiVersion": API,
                "kind": "Revision",
                "metadata": {**meta, "annotations": annotations or {}},
                "spec": {"timeoutSeconds": 20, "containers": [container], **(spec or {})},
            }
        )

    def route(self, *traffic: Object, name: str = "web", labels: Any = None) -> None:
        """Make or replace a Route with this status.traffic."""
        meta = {"name": name, "namespace": NS, "labels": labels or {}}
        with suppress(NotFound):
            self.store.get("Route", NS, name)
            self.store.update_status("Route", NS, name, {"traffic": list(traffic)})
            return
        self.store.create({"apiVersion": API, "kind": "Route", "metadata": meta, "spec": {}})
        self.store.update_status("Route", NS, name, {"traffic": list(traffic)})

    async def get(
        self, path: str = "/", host: str = "web.ns.localhost", **more: Any
    ) -> httpx.Response:
        """Ask the gateway for a host."""
        headers = {"host": host, **more.pop("headers", {})}
        return await self.client.get(path, headers=headers, **more)

    async def answered(self, host: str = "web.ns.localhost") -> httpx.Response:
        """Wait until the gateway knows the host, and return its answer."""
        return await eventually(lambda: self.get(host=host), lambda r: r.status_code == 200)

    async def metrics(self) -> list[str]:
        """Return the lines of the request metrics."""
        return (await self.get("/metrics", host=METRICS)).text.splitlines()

    def status(self, revision: str) -> Object:
        """Return a Revision's status."""
        status: Object = self.store.get("Revision", NS, revision).get("status") or {}
        return status

    def condition(self, revision: str, kind: str = "Ready") -> Object:
        """Return a condition of a Revision, empty when there is none."""
        conditions = self.status(revision).get("conditions", [])
        return next((c for c in conditions if c["type"] == kind), {})

    def pods(self) -> list[Object]:
        """List the Pods."""
        return self.store.list("Pod", NS)


async def until(true: Callable[[], Any], seconds: float = 30) -> None:
    """Wait until it holds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not in time"
        await asyncio.sleep(0.02)


async def eventually(
    ask: Callable[[], Any], good: Callable[[Any], bool], seconds: float = 30
) -> Any:
    """Ask until the answer is good."""
    end = time.monotonic() + seconds
    while not good(answer := await ask()):
        assert time.monotonic() < end, answer
        await asyncio.sleep(0.05)
    return answer


@asynccontextmanager
async def data_plane(data: Path) -> AsyncIterator[Plane]:
    """Run a data plane with the shortest stable window that Knative allows."""
    store = Store(data / "store.db")
    ports = [server_port() for _ in range(4)]
    platform = Platform(store, data, *ports, token="t")  # noqa: S106 - nothing asks for it here
    meta = {"namespace": "knative-serving", "name": "config-autoscaler"}
    settings = {"stable-window": "6s"}
    if not store.list("ConfigMap"):
        config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": settings}
        store.create(config)
    running = asyncio.create_task(serving_plane.run(platform))
    limits = httpx.Limits(max_connections=400)
    url = f"http://127.0.0.1:{platform.gateway_port}"
    async with httpx.AsyncClient(
        base_url=url, timeout=60, limits=limits, trust_env=False
    ) as client:
        plane = Plane(store, data, platform.gateway_port, client, running)
        try:
            await eventually(lambda: _listening(plane), bool)
            yield plane
        finally:
            await plane.stop()
            store.close()


async def _listening(plane: Plane) -> bool:
    with suppress(httpx.TransportError):
        return (await plane.get(host="nowhere.example")).status_code == 404
    return False
