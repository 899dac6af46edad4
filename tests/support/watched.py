"""A platform that is watched from its first moment: a collector, Prometheus, a load that is counted.

The story: first models come and are promoted, questions are asked, everything goes to zero, more
are asked, then things break (tests/support/breakage.py) until every alert has fired. The platform
ends; the collector and Prometheus stay for the tests to look at.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from scripts.laptop import kubectl
from scripts.laptop.process import ROOT, Running, platform
from scripts.laptop.provision import (
    NAMESPACE,
    QUESTION,
    Contents,
    ask,
    provision,
    wait_until_answering,
)
from tests.support.breakage import Breakage
from tests.support.collector import Collector, Seen, collecting
from tests.support.prometheus import PROGRAM, Prometheus, prometheus

PROMOTED = "ai.marketresearch.rollout.promoted.v1"
MANIFEST = "models/ner-v1.0.0/model_config.json"
NER = f"ner.{NAMESPACE}.svc.cluster.local"
SENTENCE = "Velora Cycles of Bremen hired Jane Doe in May 2024."
SECONDS, QUIET_SECONDS = 90, 3.0
FIRST, SECOND, ALONE = 4, 3, 2
"""Questions before and after the sleep, and texts that ner is asked for by itself, each time."""
ONCE = "max without (job, instance, namespace)"
"""Takes what was scraped of a Pod and what it pushed for one: a scrape adds these, a push has none."""
REQUESTS = f"sum({ONCE} (max_over_time(inference_requests_total[1h])))"


@dataclass(slots=True)
class Load:
    """What was asked, by who should have counted it; times in seconds since the epoch."""

    before: float = 0.0
    after: float = 0.0
    ended: float = 0.0
    questions: int = 0
    texts: int = 0
    entities: int = 0
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class Watched:
    """What is left of the story; `prometheus` is None where it is not installed."""

    collector: Collector
    prometheus: Prometheus | None
    load: Load


@contextmanager
def watched(folder: Path, models: Path) -> Iterator[Watched]:
    """Tell the story; yield when the platform has ended and everything was told."""
    with ExitStack() as stack:
        collector = stack.enter_context(collecting())
        server, load = None, Load()
        with platform(folder / "data", 0, os.environ) as running:
            contents = Contents(overlay=overlay(folder, collector.url), models=models)
            if PROGRAM:
                server = stack.enter_context(prometheus(folder, running, collector.url))
            provision(running, contents, print)
            wait_until_answering(running, contents, print)
            until(lambda: bool(promotions(collector)), "the first promotion")
            if server:
                _be_busy(running, server, load)
                Breakage(running, server, models).until_all_alerts_fire()
        load.ended = time.time()
        yield Watched(collector, server, load)


def overlay(folder: Path, url: str) -> Path:
    """The demo's overlay, with a collector, and with the shortest way to zero that Knative allows."""
    up = os.path.relpath(ROOT / "knative/overlays/demo", folder.resolve())
    patches = [
        _settings("marketresearch", "marketresearch", OTEL_EXPORTER_OTLP_ENDPOINT=url),
        _settings("config-autoscaler", "knative-serving", **{"stable-window": "6s"}),
    ]
    kustomization = {"resources": [up], "patches": [{"patch": patch} for patch in patches]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


def _settings(name: str, namespace: str, **data: str) -> str:
    meta = {"name": name, "namespace": namespace}
    return yaml.safe_dump({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data})


def story(collector: Collector) -> list[Seen]:
    """The trace that the manifest's upload began, its first span first."""
    firsts = (
        span
        for span in collector.spans
        if span.service == "s3-source"
        and span.attributes.get("cloudevents.event_subject") == MANIFEST
    )
    first = next(firsts, None)
    if first is None:
        return []
    others = (s for s in collector.spans if s.trace == first.trace and s.id != first.id)
    return [first, *others]


def promotions(collector: Collector) -> list[Seen]:
    return [
        span
        for span in story(collector)
        if span.attributes.get("cloudevents.event_type") == PROMOTED
    ]


def until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what} did not come in time"
        time.sleep(0.2)


def _be_busy(running: Running, server: Prometheus, load: Load) -> None:
    """Ask, sleep, ask again; note what should have been counted in between."""
    load.before = _quiet(running, server)
    served = _ask(running, load, FIRST)
    until(lambda: not served & {_revision(pod) for pod in _pods(running)}, "scale to zero")
    _ask(running, load, SECOND)
    load.after = _quiet(running, server)


def _ask(running: Running, load: Load, questions: int) -> set[str]:
    """Ask ner by itself and with questions; return the Revisions that answered."""
    served = set()
    for _ in range(ALONE):  # first, so that ner is awake when inference asks it
        answer = _entities(running)
        served.add(answer.headers["x-revision"])
        load.entities += len(answer.json()["results"][0]["entities"])
        load.texts += 1
    for _ in range(questions):
        answer = ask(running.gateway_port, QUESTION)
        body = answer.json()
        assert body["supported"], body
        assert "entities_error" not in body, body
        served.add(answer.headers["x-revision"])
        load.entities += len(body["entities"])
        load.questions, load.texts = load.questions + 1, load.texts + 1
        load.chunks = body["index"]["chunks"]
    return served


def _entities(running: Running) -> httpx.Response:
    url = f"http://127.0.0.1:{running.gateway_port}/v1/entities"
    body = {"texts": [SENTENCE]}
    answer = httpx.post(url, json=body, headers={"host": NER}, trust_env=False, timeout=60)
    assert answer.status_code == httpx.codes.OK, answer.text
    return answer


def _pods(running: Running) -> list[Any]:
    """Return the Pods of the Services that are asked."""
    asked = "serving.knative.dev/service in (inference, ner)"
    found: list[Any] = kubectl.get(running.kubeconfig, "pods", "-l", asked)["items"]
    return found


def _revision(pod: Any) -> str:
    return str(pod["metadata"]["labels"]["serving.knative.dev/revision"])


def _quiet(running: Running, server: Prometheus) -> float:
    """Wait until all Pods were scraped and nothing was counted for a while; return when."""
    found, since, deadline = -1.0, time.monotonic(), time.monotonic() + SECONDS
    while time.monotonic() - since < QUIET_SECONDS:
        assert time.monotonic() < deadline, "it never got quiet"
        time.sleep(0.3)
        now = server.total(REQUESTS)
        if now != found or not _all_scraped(running, server):
            found, since = now, time.monotonic()
    return time.time()


def _all_scraped(running: Running, server: Prometheus) -> bool:
    """Whether Prometheus has each Pod that is ready: a new one takes it a few seconds to find."""
    scraped = {labels["pod"] for labels, _ in server.query('up{job="functions"} == 1')}
    ready = (pod for pod in _pods(running) if _is_ready(pod))
    return all(pod["metadata"]["name"] in scraped for pod in ready)


def _is_ready(pod: Any) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any((c["type"], c["status"]) == ("Ready", "True") for c in conditions)
