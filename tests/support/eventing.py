"""The eventing controllers with a store of their own, and one subscriber behind every other name."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from eventing.cloudevent import CloudEvent, from_http, to_http
from knative.local.conditions import get_condition
from knative.local.eventing.run import run
from knative.local.instance import Platform
from knative.local.processes import server_port
from knative.local.store import Store
from tests.support.subscriber import Subscriber, eventually, serving

NS = "test"
BROKER = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}}
INGRESS = "broker-ingress.knative-eventing.svc.cluster.local"
EVENT = CloudEvent("1", "test", "t.v1", data={"a": 1}, datacontenttype="application/json")


class Gateway:
    """Stands where Envoy stands: the ingress by its name, every other name is the subscriber."""

    def __init__(self, ingress_port: int) -> None:
        self.subscriber = Subscriber()
        self._ingress = f"http://127.0.0.1:{ingress_port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.headers["host"] != INGRESS:
            await self.subscriber(scope, receive, send)
            return
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                self._ingress + request.url.path,
                headers=dict(request.headers),
                content=await request.body(),
            )
        await Response(answer.content, answer.status_code)(scope, receive, send)


@dataclass
class Eventing:
    store: Store
    gateway: Gateway
    ingress: str

    def create(self, api: str, kind: str, name: str, spec: dict[str, Any]) -> None:
        meta = {"name": name, "namespace": NS}
        self.store.create({"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec})

    def service(self, name: str) -> None:
        spec = {"template": {"spec": {"containers": [{"image": "x"}]}}}
        self.create("serving.knative.dev/v1", "Service", name, spec)

    def broker(self, **spec: Any) -> None:
        self.create("eventing.knative.dev/v1", "Broker", "default", spec)

    def trigger(self, name: str, service: str, **spec: Any) -> None:
        ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": service}
        spec = {"broker": "default", "subscriber": {"ref": ref}} | spec
        self.create("eventing.knative.dev/v1", "Trigger", name, spec)

    def status(self, kind: str, name: str) -> dict[str, Any]:
        return dict(self.store.get(kind, NS, name).get("status") or {})

    def condition(self, kind: str, name: str, type_: str = "Ready") -> dict[str, Any]:
        return get_condition(self.status(kind, name), type_) or {}

    async def until(self, kind: str, name: str, value: str, type_: str = "Ready") -> None:
        await eventually(lambda: self.condition(kind, name, type_).get("status") == value)

    async def send(self, event: CloudEvent) -> int:
        headers, body = to_http(event)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(self.ingress, headers=headers, content=body)
        return answer.status_code

    @property
    def events(self) -> list[CloudEvent]:
        received = self.gateway.subscriber.received
        return [from_http(one.headers, one.body) for one in received]


@contextlib.asynccontextmanager
async def eventing(data: Path) -> AsyncIterator[Eventing]:
    ingress = server_port()
    gateway = Gateway(ingress)
    store = Store(data / "store.db")
    async with serving(gateway) as url:
        port = int(url.rpartition(":")[2])
        platform = Platform(store, data, port, 1, ingress, 2, "token")
        task = asyncio.create_task(run(platform))
        try:
            yield Eventing(store, gateway, f"http://127.0.0.1:{ingress}/{NS}/default")
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    store.close()
