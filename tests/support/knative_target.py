"""A platform that speaks Knative, wherever it runs: what the contract suite knows of it.

The rule: everything goes through `kubectl` with a kubeconfig, and through one gateway address with
the Service's name in the Host header. Nothing here asks what is behind them.
"""

import json
import os
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.support.kubectl import Kubectl, Object

FUNCTION = Path(__file__).with_name("contract_function.py")
API = "serving.knative.dev/v1"
READY = "--for=condition=Ready"
SAMPLES = "REQUEST_METRICS_URL=http://request-metrics.knative-serving.svc.cluster.local/metrics"


def add_options(parser: pytest.Parser) -> None:
    """Let a person choose the platform; the default is a laptop's, started for the run."""
    group = parser.getgroup("knative", "the platform that tests/contract/knative runs against")
    group.addoption("--platform", choices=("local", "cluster"), default="local")
    group.addoption("--kubeconfig", type=Path, help="of the cluster")
    group.addoption("--gateway", help="the address of the cluster's ingress, http://HOST:PORT")
    group.addoption("--domain", default="localhost", help="what the addresses of Services end with")
    group.addoption("--image", default="python:3.12-slim", help="any image that has `python`")
    group.addoption("--command", default="python", help="Python's name in that image")
    group.addoption("--functions-image", default="marketresearchai/functions:0.1.0", help="ours")
    group.addoption("--samples", help=f"the rollout's source, NAME=URL; on a laptop {SAMPLES}")
    group.addoption("--namespace-prefix", default="contract", help="of the run's namespace")
    group.addoption("--patience", type=float, default=60.0, help="seconds that anything may take")


@dataclass(frozen=True, slots=True)
class Target(Kubectl):
    """A platform, and a namespace of our own on it."""

    kubeconfig: Path
    gateway: str
    domain: str
    image: str
    command: str
    functions_image: str
    samples: str
    namespace: str
    patience: float
    home: Path  # kubectl's discovery cache
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, trust_env=False))

    @property
    def environ(self) -> dict[str, str]:
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.home)}

    @property
    def flags(self) -> tuple[str, ...]:
        return ("-n", self.namespace)

    def patch(self, name: str, change: Object, kind: str = "ksvc") -> None:
        """Merge a change into an object."""
        self.kubectl("patch", kind, name, "--type=merge", "-p", json.dumps(change))

    def wait(self, what: str, condition: str = READY) -> None:
        """Wait with kubectl's own wait."""
        self.kubectl("wait", what, condition, f"--timeout={self.patience:.0f}s")

    def template(self, *, notes: Object | None = None, **env: str) -> Object:
        """Return a template of the suite's function."""
        container = {
            "image": self.image,
            "command": [self.command, "-c", FUNCTION.read_text()],
            "env": [{"name": name, "value": value} for name, value in env.items()],
        }
        annotations = {f"autoscaling.knative.dev/{k}": v for k, v in (notes or {}).items()}
        return {"metadata": {"annotations": annotations}, "spec": {"containers": [container]}}

    def service(self, name: str, **spec: Any) -> Object:
        """Return a Service of the suite's function."""
        spec = {"template": self.template()} | spec
        return {"apiVersion": API, "kind": "Service", "metadata": {"name": name}, "spec": spec}

    def started(self, service: Object) -> str:
        """Apply a Service and wait until it is ready and reached; return its name."""
        self.apply(service)
        name: str = service["metadata"]["name"]
        self.wait(f"ksvc/{name}")
        self.eventually(lambda: self.ask(name).status_code == httpx.codes.OK)
        return name

    def host(self, name: str, tag: str = "") -> str:
        """Return the name that the gateway knows a Service, or a tag of it, by."""
        return f"{tag and tag + '-'}{name}.{self.namespace}.{self.domain}"

    def ask(self, name: str, tag: str = "", path: str = "/") -> httpx.Response:
        """Ask a Service through the gateway."""
        return self.http.get(f"{self.gateway}{path}", headers={"host": self.host(name, tag)})

    def answers(self, name: str, count: int, tag: str = "") -> Counter[str]:
        """Count which Revision gave how many of the answers; every one must be a 200."""
        answers = [self.ask(name, tag) for _ in range(count)]
        assert {a.status_code for a in answers} == {httpx.codes.OK}
        return Counter(a.json()["K_REVISION"] for a in answers)

    def traffic(self, name: str) -> list[Object]:
        """Return the routing of now."""
        found: list[Object] = self.get("ksvc", name)["status"].get("traffic", [])
        return found

    def tagged(self, name: str, tag: str) -> Object:
        """Wait until a Service routes to a tag, and return its target."""
        found: list[Object] = []
        self.eventually(
            lambda: found.extend(t for t in self.traffic(name) if t.get("tag") == tag) or found
        )
        return found[0]

    def replicas(self, revision: str) -> int:
        """Count the Pods of a Revision that are not on their way out."""
        selector = f"serving.knative.dev/revision={revision}"
        pods = self.get("pods", "-l", selector)["items"]
        return sum(1 for pod in pods if not pod["metadata"].get("deletionTimestamp"))

    def eventually(self, holds: Callable[[], Any], seconds: float | None = None) -> None:
        """Poll until it holds."""
        end = time.monotonic() + (seconds or self.patience)
        while not holds():
            assert time.monotonic() < end, "not in time"
            time.sleep(0.1)

    def condition(self, kind: str, name: str, type_: str = "Ready") -> Object:
        """Return a condition, empty when there is none."""
        conditions = self.get(kind, name).get("status", {}).get("conditions", [])
        return next((c for c in conditions if c["type"] == type_), {})


def host_of(url: str) -> str | None:
    """Return the host of an address."""
    return urlsplit(url).hostname


def new_namespace(prefix: str) -> str:
    """Name a namespace that nobody has."""
    return f"{prefix}-{secrets.token_hex(3)}"
