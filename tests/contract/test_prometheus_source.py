"""Samples by way of a real Prometheus, both generations of Knative's metrics, Pods that go away."""

import asyncio
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import httpx
import pytest

from functions.rollout.sources import Prometheus, SourceUnavailable, Wanted
from knative.local.processes import server_port
from knative.serving.samples import Sample, Snapshot

pytestmark = pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="prometheus is missing: apt-get install prometheus"
)
OLD = 'revision_app_request_count{{namespace_name="ns",revision_name="{0}",pod_name="{1}",response_code_class="{2}xx"}} {3}'
NEW = 'kn_serving_invocation_duration_seconds_{0}{{k8s_namespace_name="ns",kn_revision_name="b-1",http_response_status_code="200"{1}}} {2}'
HISTOGRAM = [
    NEW.format("bucket", ',le="0.01"', 5),
    NEW.format("bucket", ',le="+Inf"', 8),
    NEW.format("count", "", 8),
]


class Server:
    """A Prometheus that scrapes one page, which a test writes."""

    def __init__(self, page: Path, url: str, http: httpx.AsyncClient) -> None:
        self.page, self.url, self.http = page, url, http

    def show(self, *lines: str) -> None:
        self.page.write_text("\n".join([*lines, ""]))

    async def until(self, holds: Callable[[Snapshot], bool], *revisions: str) -> Snapshot:
        wanted, deadline = Wanted("ns", revisions, awake=True), time.monotonic() + 30
        while True:
            try:
                found = await Prometheus(self.http, self.url, time.time).read(wanted)
            except SourceUnavailable:
                found = Snapshot(0, {})
            if holds(found) or time.monotonic() > deadline:
                return found
            await asyncio.sleep(0.2)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    pages, port, web = tmp_path / "pages", server_port(), server_port()
    pages.mkdir()
    config = tmp_path / "prometheus.yml"
    config.write_text(
        "scrape_configs: [{job_name: knative, scrape_interval: 500ms, scrape_timeout: 400ms,"
        f" metrics_path: /metrics.txt, static_configs: [{{targets: ['127.0.0.1:{web}']}}]}}]"
    )
    files = ["python3", "-m", "http.server", str(web), "--bind", "127.0.0.1"]
    command = [
        "prometheus", f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}", "--log.level=error",
    ]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    started = [
        await asyncio.create_subprocess_exec(*files, cwd=pages, **quiet),
        await asyncio.create_subprocess_exec(*command, **quiet),
    ]
    async with httpx.AsyncClient(trust_env=False) as http:
        yield Server(pages / "metrics.txt", f"http://127.0.0.1:{port}", http)
    for process in started:
        process.terminate()
        await process.wait()


async def test_both_generations_are_read_and_a_pod_that_went_away_still_counts(
    server: Server,
) -> None:
    server.show(OLD.format("a-1", "p", 2, 90), OLD.format("a-1", "q", 5, 10), *HISTOGRAM)
    found = await server.until(
        lambda s: bool(s.of("a-1").requests and s.of("b-1").requests), "a-1", "b-1"
    )
    assert found.of("a-1") == Sample(100, 10)
    assert (found.of("b-1").requests, found.of("b-1").latencies[10.0]) == (8, 5)
    server.show(OLD.format("a-1", "p", 2, 95))
    found = await server.until(lambda s: s.of("a-1").requests > 100, "a-1", "b-1")
    assert found.of("a-1") == Sample(105, 10)
    with pytest.raises(SourceUnavailable, match="no samples"):
        await Prometheus(server.http, server.url, time.time).read(Wanted("ns", ["c-1"], awake=True))
