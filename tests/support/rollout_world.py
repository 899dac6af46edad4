"""A world around the rollout function: Knative, callers, a Broker, and a clock that tests turn."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from eventing.cloudevent import from_http, wrap
from eventing.events import IndexRebuildRequested, ModelSynced
from functions.rollout.announce import Announcer
from functions.rollout.app import Rollout, handle
from functions.rollout.controller import Controller, Tools
from functions.rollout.probes import Probes
from functions.rollout.settings import Settings
from functions.rollout.ticks import Ticks
from knative.serving import state as states
from knative.serving.client import KubeClient
from knative.serving.kubeconfig import Cluster
from knative.serving.observation import COMMAND
from knative.serving.policy import ANNOTATION
from knative.serving.table import Phase
from tests.support.knative_api import NAMESPACE, FakeKnative, Killed

BROKER = "http://broker-ingress.knative-eventing.svc.cluster.local/marketresearch/default"
METRICS = "http://request-metrics.knative-serving.svc.cluster.local/metrics"
POLICY = {"step_interval_seconds": 4, "min_samples": 5, "warm_window_seconds": 30}


class World:
    """Callers send `rate` requests between two looks; `failing` Revisions fail half of theirs."""

    def __init__(self, cache: Path, policy: dict[str, Any] | None = None) -> None:
        self.now = 1_000_000.0
        self.rate = 400
        self.cache = cache
        self.api = FakeKnative(lambda: self.now)
        self.policy = {**POLICY, **(policy or {})}
        self.failing_values: set[str] = set()
        self.counts: dict[tuple[str, bool], int] = {}
        self.events: dict[str, Any] = {}
        self.entities: dict[str, list[dict[str, Any]]] = {}
        self.metrics_down = False
        self.gpus_each = 0
        self.broker_down = False

    def deploy(self, **env: str) -> None:
        """A person applies the manifest, or changes its environment."""

        def change(service: dict[str, Any]) -> None:
            service["metadata"]["annotations"][ANNOTATION] = json.dumps(self.policy)
            pairs = [{"name": key, "value": value} for key, value in env.items()]
            container: dict[str, Any] = {"image": "ner", "env": pairs}
            if self.gpus_each:
                container["resources"] = {"limits": {"nvidia.com/gpu": self.gpus_each}}
            service["spec"]["template"] = {
                "metadata": {"annotations": {"client.knative.dev/updateTimestamp": str(self.now)}},
                "spec": {"containers": [container]},
            }

        self.api.apply("ner", change)

    async def event(self, payload: Any = None, trace: str = "") -> None:
        """Deliver one event to a fresh process, which is killed at the end, or before."""
        async with httpx.AsyncClient(transport=httpx.MockTransport(self._call)) as http:
            kube = KubeClient(Cluster("http://api", NAMESPACE), self.api.transport())
            settings = Settings(BROKER, METRICS, self.cache, warm_seconds=0.2)
            announcer = Announcer(kube, http, BROKER)
            tools = Tools(
                kube=kube,
                probes=Probes(http, settings, lambda: self.now),
                announcer=announcer,
                ticks=Ticks(kube, BROKER, {"fast": settings.tick, "slow": settings.slow_tick}),
                clock=lambda: self.now,
            )
            cause = wrap(payload or IndexRebuildRequested("tick"), "test")
            cause = replace(cause, extensions={"traceparent": trace} if trace else {})
            await handle(cause, Rollout(kube, announcer, Controller(tools)))
            await kube.close()

    async def settle(self, looks: int = 200) -> None:
        """Tick until nothing is active, or time runs out."""
        for _ in range(looks):
            self.now += 2.0
            self.send(self.rate)
            await self.survive()
            if not self.state().active:
                return

    async def survive(self, payload: Any = None) -> None:
        """Deliver an event; when the process is killed it is delivered again."""
        try:
            await self.event(payload)
        except Killed:
            await self.event(payload)

    def send(self, requests: int) -> None:
        for name, percent in self.api.weights().items():
            share = requests * percent // 100
            values = {
                entry["value"]
                for entry in self.api.revision(name)["spec"]["containers"][0].get("env", [])
            }
            failed = share // 2 if values & self.failing_values else 0
            self.counts[name, True] = self.counts.get((name, True), 0) + failed
            self.counts[name, False] = self.counts.get((name, False), 0) + share - failed

    def state(self) -> states.State:
        found = states.of(self.api.service())
        assert found
        return found

    def types(self) -> list[str]:
        return [event.type.split(".")[-2] for event in self.events.values()]

    def _call(self, request: httpx.Request) -> httpx.Response:
        if str(request.url) == METRICS:
            return httpx.Response(503 if self.metrics_down else 200, text=self._metrics())
        if str(request.url) == BROKER:
            if self.broker_down:
                return httpx.Response(503)
            event = from_http(dict(request.headers), request.content)
            self.events.setdefault(event.id, event)
            return httpx.Response(202)
        return self._function(request)

    def _function(self, request: httpx.Request) -> httpx.Response:
        tag = "candidate" if request.url.host.startswith("candidate-") else None
        targets = self.api.service()["status"].get("traffic", [])
        wanted = [t for t in targets if (t.get("tag") == tag if tag else t.get("percent"))]
        if not wanted:
            return httpx.Response(404)
        if request.url.path == "/health/ready":
            return httpx.Response(200)
        annotations = self.api.revision(wanted[0]["revisionName"])["metadata"]["annotations"]
        found = self.entities.get(annotations.get("rollout.marketresearch.ai/digest", ""), [])
        texts = json.loads(request.content)["texts"]
        return httpx.Response(200, json={"results": [{"entities": found} for _ in texts]})

    def _metrics(self) -> str:
        return "# TYPE revision_app_request_count counter\n" + "\n".join(
            f'revision_app_request_count{{namespace_name="{NAMESPACE}",service_name="ner",'
            f'revision_name="{name}",response_code_class="{"5xx" if bad else "2xx"}"}} {count}'
            for (name, bad), count in self.counts.items()
        )


async def running(world: World) -> World:
    world.deploy(LEVEL="1")
    await world.event()
    assert world.state().phase is Phase.SUCCEEDED
    return world


async def canary(world: World, policy: dict[str, object] | None = None) -> World:
    """Go on until the candidate has its first percents."""
    world.policy |= policy or {}
    await running(world)
    world.deploy(LEVEL="2")
    while world.state().phase is not Phase.CANARY:
        await tick(world)
    return world


async def tick(world: World, times: int = 1) -> None:
    for _ in range(times):
        world.now += 2
        world.send(world.rate)
        await world.event()


def say(world: World, verb: str) -> None:
    words = f"{verb} {world.state().candidate}"
    world.api.apply(
        "ner", lambda service: service["metadata"]["annotations"].update({COMMAND: words})
    )


def synced(digest: str, version: str, *, requested: bool = False) -> ModelSynced:
    return ModelSynced("ner", version, digest, f"s3://b/models/ner-v{version}", "ner", requested)


def run(coroutine: Any) -> None:
    asyncio.run(coroutine)
