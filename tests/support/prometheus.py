"""A real Prometheus over a laptop's platform, by the configuration that a person uses there.

The rules are those of knative/observability/rules.yaml, from the same source; only their times are
others, all in the one table here: an hour's window cannot be waited for in a test.
"""

import json
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import yaml

from knative.local.processes import server_port
from scripts.laptop.process import Running
from tests.support.manifests import ROOT

FOLDER = ROOT / "knative/observability"
PROGRAM = shutil.which("prometheus")
SCRAPE, START_SECONDS = "1s", 30
WINDOWS = {"5m": "15s", "30m": "20s", "1h": "20s", "6h": "25s", "1d": "1d", "3d": "3d"}
"""What a range in an expression becomes."""
PATIENCE = {"5m": "1s", "1h": "3s", "30s": "1s"}
"""What `for` and `interval` become."""
AGES = {"> 26 * 3600": "> 15", "> 3600": "> 15"}
"""What an age, in seconds, becomes."""
Labels = dict[str, str]


def rules() -> list[Any]:
    """Return the groups of rules as a cluster gets them."""
    groups: list[Any] = yaml.safe_load((FOLDER / "rules.yaml").read_text())["spec"]["groups"]
    return groups


def quick(groups: list[Any]) -> list[Any]:
    """Return the rules with the times of the tables above; a time that is in none is a KeyError."""
    return [
        {**group, "interval": SCRAPE, "rules": [_quick(rule) for rule in group["rules"]]}
        for group in groups
    ]


def _quick(rule: dict[str, Any]) -> dict[str, Any]:
    expr = re.sub(r"\[(\w+)\]", lambda found: f"[{WINDOWS[found[1]]}]", rule["expr"])
    for age, short in AGES.items():
        expr = expr.replace(age, short)
    patience = {"for": PATIENCE[rule["for"]]} if "for" in rule else {}
    return {**rule, "expr": expr, **patience}


@dataclass(frozen=True, slots=True)
class Prometheus:
    """The server, once it has started."""

    url: str

    def query(self, expr: str, when: float | None = None) -> list[tuple[Labels, float]]:
        """Return what an expression comes to, now or at a time."""
        at = {} if when is None else {"time": str(when)}
        found = self._ask("query", {"query": expr, **at})
        return [(row["metric"], float(row["value"][1])) for row in found]

    def total(self, expr: str, when: float | None = None) -> float:
        return sum(value for _, value in self.query(expr, when))

    def during(self, expr: str, began: float, ended: float) -> list[Any]:
        """Return the series that an expression had between two times."""
        span = {"start": str(began), "end": str(ended), "step": "1"}
        return self._ask("query_range", {"query": expr, **span})

    def firing(self) -> set[str]:
        """Return the alerts that fire now."""
        return {labels["alertname"] for labels, _ in self.query('ALERTS{alertstate="firing"}')}

    def _ask(self, what: str, parameters: dict[str, str]) -> list[Any]:
        answer = httpx.post(f"{self.url}/api/v1/{what}", data=parameters, trust_env=False)
        assert answer.status_code == httpx.codes.OK, answer.text
        found: list[Any] = answer.json()["data"]["result"]
        return found


@contextmanager
def prometheus(folder: Path, running: Running, collector: str) -> Iterator[Prometheus]:
    """Run one over `running`; what processes push at their end comes from `collector`."""
    (folder / "prometheus.yaml").write_text(_configuration(folder, running, collector))
    (folder / "rules.json").write_text(json.dumps({"groups": quick(rules())}))
    port = server_port()
    command = [
        str(PROGRAM), f"--config.file={folder / 'prometheus.yaml'}", "--log.level=warn",
        f"--storage.tsdb.path={folder / 'tsdb'}", f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/-/ready", process)
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait()


def _configuration(folder: Path, running: Running, collector: str) -> str:
    """Fill this platform's addresses into the laptop's configuration."""
    text = (FOLDER / "prometheus.laptop.yaml").read_text()
    for default, ours in (
        ("127.0.0.1:8080", f"127.0.0.1:{running.gateway_port}"),
        ("127.0.0.1:8889", urlsplit(collector).netloc),
        ("refresh_interval: 5s", f"refresh_interval: {SCRAPE}"),
        ("scrape_interval: 15s", f"scrape_interval: {SCRAPE}\n  evaluation_interval: {SCRAPE}"),
    ):
        assert default in text, default
        text = text.replace(default, ours)
    return text + f"rule_files: [{folder / 'rules.json'}]\n"


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        assert process.poll() is None, "prometheus ended; see prometheus.log"
        assert time.monotonic() < deadline, "prometheus did not start"
        time.sleep(0.1)
