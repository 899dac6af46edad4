"""A platform of a benchmark's own, in a folder that goes away, and Services on it by the API."""

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from knative.serving.client import PODS, REVISIONS, SERVICES, KubeClient
from knative.serving.errors import NotFound
from knative.serving.kubeconfig import find
from scripts.benchmarks.harness import CannotMeasure
from scripts.laptop.process import Running, platform

NAMESPACE = "marketresearch"  # the kubeconfig's own
AUTOSCALING = "autoscaling.knative.dev/"
TRIVIAL = ("python", "-m", "scripts.benchmarks.trivial")
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Laptop:
    """A running platform, its API and its gateway."""

    running: Running
    kube: KubeClient
    http: httpx.AsyncClient

    async def get(self, service: str, path: str = "/", seconds: float = PATIENCE) -> httpx.Response:
        """Ask a Service, by the gateway."""
        headers = {"host": host(service)}
        return await self.http.get(path, headers=headers, timeout=seconds)

    async def create(self, service: dict[str, Any]) -> None:
        """Create a Service and wait until it is ready and answers."""
        name = service["metadata"]["name"]
        await self.kube.create(SERVICES, service)
        await self.until(lambda: self.ready(name), f"{name} is ready")
        await self.until(lambda: self.answers(name), f"{name} answers")

    async def answers(self, name: str) -> bool:
        """Say whether a Service answers 200."""
        return (await self.get(name)).status_code == httpx.codes.OK

    async def ready(self, name: str) -> bool:
        """Say whether a Service is ready with its newest template."""
        try:
            service = await self.kube.get(SERVICES, name)
        except NotFound:
            return False
        status = service.get("status", {})
        conditions = {c["type"]: c["status"] for c in status.get("conditions", [])}
        newest = status.get("observedGeneration") == service["metadata"]["generation"]
        return newest and conditions.get("Ready") == "True"

    async def pods(self, name: str) -> list[dict[str, Any]]:
        """List the Pods of a Service."""
        return await self.kube.list(PODS, {"serving.knative.dev/service": name})

    async def asleep(self, name: str) -> bool:
        """Say whether a Service has no process and its Revisions say so."""
        labels = {"serving.knative.dev/service": name}
        revisions = await self.kube.list(REVISIONS, labels)
        scales = {r.get("status", {}).get("actualReplicas", 0) for r in revisions}
        return scales == {0} and not await self.pods(name)

    async def until(self, holds: Callable[[], Any], what: str, seconds: float = PATIENCE) -> None:
        """Poll until it holds."""
        end = time.monotonic() + seconds
        while not await holds():
            if time.monotonic() > end:
                raise CannotMeasure(f"waited {seconds:.0f} s until {what}")
            await asyncio.sleep(0.05)


def host(service: str) -> str:
    """Return the name that the gateway knows a Service by."""
    return f"{service}.{NAMESPACE}.svc.cluster.local"


def service(
    name: str,
    command: Sequence[str] = TRIVIAL,
    *,
    concurrency: int = 0,
    env: dict[str, str] | None = None,
    **autoscaling: str,
) -> dict[str, Any]:
    """Make a Service; `min_scale="1"` and such are annotations of its template."""
    annotations = {AUTOSCALING + k.replace("_", "-"): v for k, v in autoscaling.items()}
    container = {
        "image": "example/benchmark",
        "readinessProbe": {"httpGet": {"path": "/"}},  # by HTTP, as the project's functions have it
        "command": list(command),
        "env": [{"name": k, "value": v} for k, v in (env or {}).items()],
    }
    return {
        "apiVersion": SERVICES.api_version,
        "kind": SERVICES.kind,
        "metadata": {"name": name},
        "spec": {
            "template": {
                "metadata": {"annotations": annotations},
                "spec": {"containerConcurrency": concurrency, "containers": [container]},
            }
        },
    }


@asynccontextmanager
async def laptop() -> AsyncIterator[Laptop]:
    """Run a platform for the length of the block."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, platform(Path(folder), 0) as up:
        kube = KubeClient(find({"KUBECONFIG": str(up.kubeconfig)}))
        gateway = f"http://127.0.0.1:{up.gateway_port}"
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        async with httpx.AsyncClient(base_url=gateway, limits=limits, trust_env=False) as http:
            try:
                yield Laptop(up, kube, http)
            finally:
                await kube.close()
