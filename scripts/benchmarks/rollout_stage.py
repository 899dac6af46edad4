"""The stage of the rollouts' benchmark: a platform with the rollout function, and candidates as told.

The rule: a candidate is nothing but a changed template, with a released model of its own and its
golden set in the cache; how it is bad stands in its environment (`fake_model`).
"""

import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from functions.registry.cache import ModelCache
from functions.registry.manifest import FileEntry, Manifest, build
from functions.registry.paths import MANIFEST
from functions.rollout.golden import TASK
from knative.serving import policy
from knative.serving import state as states
from knative.serving.client import SERVICES, Resource
from knative.serving.objects import DIGEST, URI
from knative.serving.state import State
from scripts.benchmarks.fake_model import ENTITY, TEXT
from scripts.benchmarks.laptop import NAMESPACE, Laptop, laptop, service

SUBJECT, ROLLOUT = "subject", "rollout"
BROKER = f"http://broker-ingress.knative-eventing.svc.cluster.local/{NAMESPACE}/default"
METRICS = "http://request-metrics.knative-serving.svc.cluster.local/metrics"
GOLDEN = "golden.jsonl"
POLICY = {
    "steps": [10, 50, 100],
    "step_interval_seconds": 2,
    "min_samples": 20,
    "start_deadline_seconds": 12,
    "max_inconclusive_seconds": 30,
    "warm_window_seconds": 20,
}
BROKERS = Resource("eventing.knative.dev", "v1", "brokers", "Broker")
TRIGGERS = Resource("eventing.knative.dev", "v1", "triggers", "Trigger")
API_SERVER_SOURCES = Resource("sources.knative.dev", "v1", "apiserversources", "ApiServerSource")


@dataclass(frozen=True, slots=True)
class Stage:
    """The platform, and the cache that candidates' models are put into."""

    local: Laptop
    cache: ModelCache

    async def state(self) -> State | None:
        """Return where the subject's rollout is."""
        return states.of(await self.local.kube.get(SERVICES, SUBJECT))

    async def ended(self, before: State | None) -> bool:
        """Say whether a rollout other than `before` has come to its end."""
        now = await self.state()
        if now is None or now.active:
            return False
        return before is None or now.started > before.started

    async def change(self, mode: str, number: int) -> None:
        """Release a model and change the subject's template, as an upload does."""
        template = subject(mode, release(self.cache, number))["spec"]["template"]
        await self.local.kube.patch(SERVICES, SUBJECT, {"spec": {"template": template}})


@asynccontextmanager
async def stage() -> AsyncIterator[Stage]:
    """Put up the subject, the rollout function and what wakes it."""
    async with laptop() as local:
        here = Stage(local, ModelCache(local.running.data / "bench-models"))
        for resource, name, spec in (
            (BROKERS, "default", {}),
            (TRIGGERS, ROLLOUT, {"broker": "default", "subscriber": _ref(ROLLOUT), **_FILTERS}),
            (API_SERVER_SOURCES, "services", _SOURCE),
        ):
            kind = {"apiVersion": resource.api_version, "kind": resource.kind}
            await local.kube.create(resource, {**kind, "metadata": {"name": name}, "spec": spec})
        await local.kube.create(SERVICES, _rollout(here.cache.root))
        await local.until(lambda: local.ready(ROLLOUT), f"{ROLLOUT} is ready")
        await local.create(subject("good", release(here.cache, 0)))
        await local.until(lambda: here.ended(None), "the Service is adopted")
        yield here


def release(cache: ModelCache, number: int) -> Manifest:
    """Put a release with a golden set of one text into the cache."""
    text = json.dumps({"text": TEXT, "entities": [ENTITY], "number": number})
    head = {
        "schema": 1,
        "name": SUBJECT,
        "version": f"1.{number}.0",
        "task": TASK,
        "framework": "fake",
        "service": SUBJECT,
        "golden": GOLDEN,
    }
    content = hashlib.sha256(text.encode()).hexdigest()
    manifest = build(head, [FileEntry(GOLDEN, len(text), content)], "2026-01-01T00:00:00Z")
    entry = cache.entry_path(manifest.digest)
    entry.mkdir(parents=True)
    (entry / GOLDEN).write_text(text)
    (entry / MANIFEST).write_bytes(manifest.to_bytes())
    return manifest


def subject(mode: str, model: Manifest) -> dict[str, Any]:
    """Return the Service with a model that behaves as `mode` says."""
    command = ("python", "-m", "scripts.benchmarks.fake_model")
    made = service(SUBJECT, command, env={"MODE": mode}, min_scale="1")
    made["metadata"]["annotations"] = {policy.ANNOTATION: json.dumps(POLICY)}
    notes = {URI: f"s3://bench/models/{model.folder}", DIGEST: model.digest}
    made["spec"]["template"]["metadata"]["annotations"] |= notes
    return made


def _rollout(cache: Path) -> dict[str, Any]:
    env = {
        "BROKER_URL": BROKER,
        "REQUEST_METRICS_URL": METRICS,
        "MODEL_CACHE_DIR": str(cache),
        "ROLLOUT_TICK_SCHEDULE": "* * * * * *",
        "ROLLOUT_WARM_SECONDS": "2",
    }
    command = ("python", "-m", "functions.runtime", "functions.rollout.app:function")
    made = service(ROLLOUT, command, concurrency=1, env=env, min_scale="1", max_scale="1")
    container = made["spec"]["template"]["spec"]["containers"][0]
    container["readinessProbe"] = {"httpGet": {"path": "/health/ready"}}
    return made


def _ref(name: str) -> dict[str, Any]:
    return {"ref": {"apiVersion": SERVICES.api_version, "kind": SERVICES.kind, "name": name}}


_FILTERS: dict[str, Any] = {
    "filters": [
        {
            "any": [
                {"exact": {"type": "dev.knative.sources.ping"}},
                {
                    "all": [
                        {"exact": {"type": "dev.knative.apiserver.ref.update"}},
                        {"exact": {"name": SUBJECT}},
                    ]
                },
            ]
        }
    ]
}
_SOURCE: dict[str, Any] = {
    "mode": "Reference",
    "resources": [{"apiVersion": SERVICES.api_version, "kind": SERVICES.kind}],
    "sink": {"ref": {"apiVersion": BROKERS.api_version, "kind": BROKERS.kind, "name": "default"}},
}
