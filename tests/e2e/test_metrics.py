"""The named metrics are right to the count, on the metrics port and in what outlives the process."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from eventing.events import IndexRebuilt
from tests.support.collector import Collector, collecting
from tests.support.ner_cache import tiny_cache

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60
TEXTS = ["Nestlé raised its outlook for 2024 by 4.2 % in Vevey.", "Mark Schneider left."]
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@dataclass(frozen=True, slots=True)
class Served:
    http: httpx.Client
    metrics: str
    process: subprocess.Popen[bytes]

    def scrape(self) -> Series:
        answer = httpx.get(self.metrics, trust_env=False)
        return {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(answer.text)
            for sample in family.samples
        }

    def end(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        assert self.process.wait(30) in (0, -signal.SIGTERM)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(name: str, environ: dict[str, str]) -> Iterator[Served]:
    port, metrics = free_port(), free_port()
    ports = {"PORT": str(port), "METRICS_PORT": str(metrics), "BIND_ADDRESS": "127.0.0.1"}
    identity = {"K_SERVICE": name, "K_REVISION": f"{name}-00001"}
    process = subprocess.Popen(
        [sys.executable, "-m", "functions.runtime", f"functions.{name}.app:function"],
        cwd=ROOT,
        env=os.environ | ports | identity | environ,
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(base_url=address, trust_env=False, timeout=30) as http:
            wait_ready(http)
            yield Served(http, f"http://127.0.0.1:{metrics}/metrics", process)
    finally:
        process.kill()
        process.wait()


def wait_ready(http: httpx.Client) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if http.get("/health/ready").is_success:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, "not ready in time"
        time.sleep(0.05)


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


def label(series: Series, name: str, /, **wanted: str) -> float:
    """The sum over the series of `name` that carry the labels."""
    return sum(counted(series, name, **wanted))


def counted(series: Series, name: str, /, **wanted: str) -> list[float]:
    """Each series of `name` that carries the labels; none is not nought."""
    return [
        value for (key, labels), value in series.items() if key == name and wanted.items() <= labels
    ]


def test_a_models_metrics_are_right_to_the_count_and_outlive_the_process(
    tmp_path: Path, collector: Collector
) -> None:
    root, digest = tiny_cache(tmp_path)
    environ = {
        "MODEL_CACHE_DIR": str(root),
        "MODEL_DIGEST": digest,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
    }
    with served("ner", environ) as ner:
        found = 0
        for _ in range(7):
            answer = ner.http.post("/v1/entities", json={"texts": TEXTS})
            found += sum(len(result["entities"]) for result in answer.json()["results"])
        assert ner.http.post("/v1/entities", json={"texts": 5}).status_code == 422
        series = ner.scrape()
        ner.end()
    assert label(series, "inference_requests_total", result="ok", service="ner") == 7
    assert label(series, "inference_latency_seconds_count", model="ner-v1.0.0") == 7
    assert label(series, "ner_entities_extracted_total", revision="ner-00001") == found
    assert label(series, "model_info", name="ner", version="1.0.0", digest=digest) == 1
    assert label(series, "http_server_request_duration_seconds_count", status="422") == 1
    assert counted(series, "http_server_request_duration_seconds_count", status="500") == [0.0]
    pushed = collector.samples["ner", "inference_requests_total"]
    assert sum(point.as_double for point in pushed) == 7  # type: ignore[attr-defined] # protobuf
    (latency,) = collector.samples["ner", "inference_latency_seconds"]
    assert latency.count == 7  # type: ignore[attr-defined] # protobuf makes its fields at run time


def test_deliveries_are_counted_by_how_they_were_answered() -> None:
    event = {"ce-specversion": "1.0", "ce-source": "/s", "ce-type": IndexRebuilt.type}
    rebuilt = asdict(IndexRebuilt("g", "e", documents=1, chunks=1, embedded=1, seconds=1.0))
    with served("warmer", {}) as warmer:
        for number in range(3):
            headers = event | {"ce-id": str(number)}
            assert warmer.http.post("/", headers=headers, json=rebuilt).is_success
        for _ in range(2):
            assert warmer.http.post("/", headers=event).status_code == 400
        series = warmer.scrape()
    assert label(series, "event_deliveries_total", result="accepted") == 3
    assert label(series, "event_deliveries_total", result="bad_request") == 2
