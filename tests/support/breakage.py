"""Things that really break, one for every alert.

| fault | alert |
|---|---|
| ner's process is stopped for seconds in the middle of a request | InferenceSlow |
| inference's process is stopped for seconds while it starts | ColdStartOverBudget |
| a Trigger whose subscriber refuses connections | DeadLetters |
| a manifest that is none | SyncFailed |
| nobody looks at the index any more | IndexOld, IndexNotBackedUp |
| a builder that hangs holds the lock of the index | RecoveryPointOld |
| a release without traffic in its canary | RolloutStuck |
| the same release fails under load | ErrorBudgetBurnsFast, ErrorBudgetBurnsSlowly, RolledBack |
"""

import fcntl
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from eventing.events import IndexRebuildRequested
from functions.registry.publish import publish
from scripts.laptop import kubectl
from scripts.laptop.process import Running
from scripts.laptop.provision import BUCKET, NAMESPACE, QUESTION, ask, aws_environment, client
from scripts.story.rollouts import faulty_release
from tests.support.prometheus import Prometheus, rules

SECONDS = 90
STOPPED, START_STOPPED = 3.0, 5.5
"""How long a process is stopped: past the alert on slow answers, past a start's budget."""
LONG = "Velora Cycles of Bremen hired Jane Doe in May 2024. " * 200
AT_ONCE = 8
BROKER = "broker-ingress.knative-eventing.svc.cluster.local"
KIND = "com.example.nobody.listens.v1"


@dataclass(slots=True)
class Breakage:
    """One platform, and the Prometheus that should notice."""

    running: Running
    prometheus: Prometheus
    models: Path
    fired: set[str] = field(default_factory=set)

    def until_all_alerts_fire(self) -> None:
        """Break things until every alert of the rules has fired."""
        expected = {
            rule["alert"] for group in rules() for rule in group["rules"] if "alert" in rule
        }
        self._refuse_an_event()
        self._upload_what_is_no_manifest()
        # Again and again: a rate knows nothing of what a Pod did before its first scrape. And first: a
        # candidate might get the request, and many quick answers would hide the slow one.
        self._until("InferenceSlow", meanwhile=self._stop_in_a_request)
        self._publish_what_fails_under_load()
        self._until("RolloutStuck")
        self._wait(self._candidate_is_scraped, "a first scrape of the candidate")
        with self._a_builder_that_hangs():
            self._until(*(expected - {"ColdStartOverBudget"}), meanwhile=self._ask_for_trouble)
        self._stop_at_a_start()
        self._until(*expected)

    def _until(self, *alerts: str, meanwhile: Callable[[], None] = lambda: None) -> None:
        deadline = time.monotonic() + SECONDS
        while not self.fired >= set(alerts):
            assert time.monotonic() < deadline, f"{set(alerts) - self.fired} did not fire"
            meanwhile()
            time.sleep(0.2)
            self.fired |= self.prometheus.firing()

    def _post(self, host: str, path: str, **what: Any) -> httpx.Response:
        url = f"http://127.0.0.1:{self.running.gateway_port}{path}"
        headers = {"host": host, **what.pop("headers", {})}
        return httpx.post(url, headers=headers, trust_env=False, timeout=60, **what)

    def _entities(self, text: str, tag: str = "") -> httpx.Response:
        host = f"{tag}ner.{NAMESPACE}.svc.cluster.local"
        return self._post(host, "/v1/entities", json={"texts": [text]})

    def _refuse_an_event(self) -> None:
        trigger = {
            "apiVersion": "eventing.knative.dev/v1",
            "kind": "Trigger",
            "metadata": {"name": "nobody-listens", "namespace": NAMESPACE},
            "spec": {
                "broker": "default",
                "filters": [{"exact": {"type": KIND}}],
                "delivery": {"retry": 1, "backoffPolicy": "linear", "backoffDelay": "PT0.1S"},
                "subscriber": {"uri": "http://127.0.0.1:9"},  # discard: nobody is there
            },
        }
        kubectl.apply(self.running.kubeconfig, [trigger])
        wait = ("wait", "--for=condition=Ready", "trigger/nobody-listens", "--timeout=30s")
        kubectl.kubectl(self.running.kubeconfig, "-n", NAMESPACE, *wait)
        self._send(KIND, {})

    def _send(self, kind: str, data: object) -> None:
        words = {"specversion": "1.0", "id": kind, "source": "/tests", "type": kind}
        headers = {f"ce-{name}": value for name, value in words.items()}
        answer = self._post(BROKER, f"/{NAMESPACE}/default", headers=headers, json=data)
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text

    @contextmanager
    def _a_builder_that_hangs(self) -> Iterator[None]:
        with (self.running.data / "volumes/index/build.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _upload_what_is_no_manifest(self) -> None:
        key = "models/ner-v9.9.9/model_config.json"
        self._s3().put_object(Bucket=BUCKET, Key=key, Body=b'{"not": "a manifest"}')

    def _publish_what_fails_under_load(self) -> None:
        folder = faulty_release(self.running.data / "ner-v1.3.0")
        publish(folder, BUCKET, self._s3())

    def _s3(self) -> Any:
        return client("s3", aws_environment(self.running.s3_url))

    def _stop_in_a_request(self) -> None:
        revision = self._entities("Jane Doe").headers["x-revision"]
        processes = self._processes("ner", revision)
        rested = _worked(processes)
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(self._entities, LONG)
            while _worked(processes) < rested + 0.1:
                assert not answer.done(), "it was answered before it could be stopped"
                time.sleep(0.01)
            _stop(processes, STOPPED)
            assert answer.result().status_code == httpx.codes.OK

    def _stop_at_a_start(self) -> None:
        self._wait(lambda: not self._processes("inference"), "inference at zero")
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(ask, self.running.gateway_port, QUESTION)
            self._wait(lambda: bool(self._processes("inference")), "a start")
            _stop(self._processes("inference"), START_STOPPED)
            assert answer.result().status_code == httpx.codes.OK

    def _candidate_is_scraped(self) -> bool:
        """Whether Prometheus knows that its Pod has not failed yet; alone, it answers well."""
        revision = self._entities("Jane Doe", "candidate-").headers["x-revision"]
        selector = f"serving.knative.dev/revision={revision}"
        pods = kubectl.get(self.running.kubeconfig, "pods", "-l", selector)["items"]
        failures = 'http_server_request_duration_seconds_count{job="functions",status="500"}'
        scraped = {labels["pod"] for labels, _ in self.prometheus.query(failures)}
        return {pod["metadata"]["name"] for pod in pods} <= scraped

    def _ask_for_trouble(self) -> None:
        """Ask for a rebuild, and load the candidate."""
        self._send(IndexRebuildRequested.type, asdict(IndexRebuildRequested("a test asks")))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for tag in ("candidate-", ""):
                list(pool.map(lambda _, tag=tag: self._entities("Jane", tag), range(AT_ONCE)))

    def _processes(self, service: str, revision: str = "") -> list[psutil.Process]:
        """Return the processes of a Service's Pods."""
        found = []
        for process in psutil.Process(self.running.process.pid).children(recursive=True):
            with suppress(psutil.Error):
                told = process.environ()
                if told.get("K_SERVICE") == service and revision in ("", told.get("K_REVISION")):
                    found.append(process)
        return found

    @staticmethod
    def _wait(holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"{what} did not come"
            time.sleep(0.02)


def _worked(processes: list[psutil.Process]) -> float:
    """Return the CPU seconds that processes have used."""
    return float(sum(sum(process.cpu_times()[:2]) for process in processes))


def _stop(processes: list[psutil.Process], seconds: float) -> None:
    for process in processes:
        process.suspend()
    try:
        time.sleep(seconds)  # the fault itself
    finally:
        for process in processes:
            process.resume()
