"""A world around the rollout function: Knative, callers, a Broker, and a clock that tests turn."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, lru_cache
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
from knative.serving.objects import DIGEST
from knative.serving.observation import COMMAND
from knative.serving.policy import ANNOTATION
from knative.serving.table import Phase
from tests.support.knative_api import FakeKnative, Killed
from tests.support.knative_serving import NAMESPACE

BROKER = "http://broker-ingress.knative-eventing.svc.cluster.local/marketresearch/default"
METRICS = "http://request-metrics.knative-serving.svc.cluster.local/metrics"
POLICY = {"step_interval_seconds": 4, "min_samples": 5, "warm_window_seconds": 30}


@dataclass(frozen=True, slots=True)
class Asked:
    """A request of the rollout's that does not go to the API server."""

    url: str
    headers: dict[str, str]
    content: bytes


class _Wire:
    """As much of an HTTP client as the rollout uses, and no wire: that costs more than the rollout."""

    def __init__(self, answer: Callable[[Asked], httpx.Response]) -> None:
        self._answer = answer

    async def get(self, url: str) -> httpx.Response:
        return self._asked("GET", Asked(url, {}, b""))

    async def post(
        self, url: str, *, json: Any = None, content: bytes = b"", headers: Any = None
    ) -> httpx.Response:
        body = content if json is None else _dumps(json).encode()
        return self._asked("POST", Asked(url, dict(headers or {}), body))

    def _asked(self, method: str, request: Asked) -> httpx.Response:
        response = self._answer(request)
        response.request = _request(method, request.url)
        return response


_request = cache(httpx.Request)
_load = lru_cache(states.load)
_dumps = json.dumps


class World:
    """Callers send `rate` requests between two looks; Revisions with one of `failing_values` in their
    environment fail half of theirs, one that is not Ready fails all. `counts`: what callers saw."""

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
        self.page = ""
        """What the source shows instead of the truth."""
        self.gpus_each = 0
        self.broker_down = False
        self.shadow: dict[str, Any] = {}
        self.shadowed = 0

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
        kube, http = self.api.client(), _Wire(self._answer)
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
            failed = share // 2 if self.failing_values & set(self.environment(name).values()) else 0
            failed = failed if self.api.ready(name) else share
            self.counts[name, True] = self.counts.get((name, True), 0) + failed
            self.counts[name, False] = self.counts.get((name, False), 0) + share - failed

    def failed(self) -> dict[str, int]:
        """Whose answers were failures, and how many, as callers saw it."""
        return {name: count for (name, bad), count in self.counts.items() if bad and count}

    def environment(self, revision: str) -> dict[str, str]:
        return environment(self.api.revision(revision))

    def state(self) -> states.State:
        return _load(self.api.service()["metadata"]["annotations"][states.ANNOTATION])

    def types(self) -> list[str]:
        return [event.type.split(".")[-2] for event in self.events.values()]

    def _answer(self, request: Asked) -> httpx.Response:
        if request.url == METRICS:
            return httpx.Response(
                503 if self.metrics_down else 200, text=self.page or self._metrics()
            )
        if request.url == BROKER:
            if self.broker_down:
                return httpx.Response(503)
            event = from_http(request.headers, request.content)
            self.events.setdefault(event.id, event)
            return httpx.Response(202)
        return self._function(request)

    def _function(self, request: Asked) -> httpx.Response:
        host, _, path = request.url.removeprefix("http://").partition("/")
        tag = "candidate" if host.startswith("candidate-") else None
        targets = self.api.service()["status"].get("traffic", [])
        wanted = [t for t in targets if (t.get("tag") == tag if tag else t.get("percent"))]
        if not wanted:
            return httpx.Response(404)
        if path == "health/ready":
            return httpx.Response(200)
        if path == "v1/shadow":
            self.shadowed += 1
            return httpx.Response(200, json=self.shadow)
        annotations = self.api.revision(wanted[0]["revisionName"])["metadata"]["annotations"]
        found = self.entities.get(annotations.get(DIGEST, ""), [])
        texts = json.loads(request.content)["texts"]
        return httpx.Response(200, json={"results": [{"entities": found} for _ in texts]})

    def _metrics(self) -> str:
        return "# TYPE revision_app_request_count counter\n" + "\n".join(
            f'revision_app_request_count{{namespace_name="{NAMESPACE}",service_name="ner",'
            f'revision_name="{name}",response_code_class="{"5xx" if bad else "2xx"}"}} {count}'
            for (name, bad), count in self.counts.items()
        )


def environment(template: dict[str, Any]) -> dict[str, str]:
    """The variables of a template, or of a Revision."""
    entries = template["spec"]["containers"][0].get("env", [])
    return {entry["name"]: entry["value"] for entry in entries}


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
