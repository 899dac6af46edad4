"""A Broker over real HTTP in the test's own process, and the events and Triggers that it is given."""

import contextlib
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from pathlib import Path

import httpx

from eventing.broker import Broker, Route
from eventing.cloudevent import CloudEvent, to_http
from eventing.delivery import Policy
from eventing.durable import Queue
from eventing.filters import compile_trigger
from eventing.ingress import build_app
from tests.support.subscriber import serving

NAME = ("ns", "default")
EVENT = CloudEvent("1", "test", "t.v1", data={"a": 1}, datacontenttype="application/json")
BINARY = {"ce-id": "1", "ce-source": "s", "ce-type": "t", "ce-specversion": "1.0"}
QUICK = Policy(retry=3, delay=0.01)


@dataclass
class Running:
    broker: Broker
    url: str
    client: httpx.AsyncClient

    async def send(self, event: CloudEvent = EVENT, **headers: str) -> httpx.Response:
        written, body = to_http(event)
        return await self.client.post(
            f"{self.url}/ns/default", content=body, headers=written | headers
        )


@contextlib.asynccontextmanager
async def running(path: Path, routes: Iterable[Route] = ()) -> AsyncIterator[Running]:
    async with httpx.AsyncClient(trust_env=False, timeout=30) as client:
        broker = Broker(Queue(path / "events.db"), client)
        try:
            await broker.configure([NAME], routes)
            async with serving(build_app(broker)) as url:
                yield Running(broker, url, client)
        finally:
            await broker.aclose()


def route(url: str, policy: Policy = QUICK, sink: str | None = None, **spec: object) -> Route:
    return Route("uid", NAME, compile_trigger(spec), url, policy, sink)
