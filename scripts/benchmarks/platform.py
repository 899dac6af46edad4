"""1,000 Services of 3 Revisions on the laptop platform: listing them, and what they cost at rest."""

import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from knative.local.conditions import set_condition
from knative.local.serving.controller import reconcile
from knative.local.serving.rules import default_service
from knative.local.serving.traffic import Urls
from knative.local.store import Store
from scripts.benchmarks.harness import CannotMeasure, Options, Report
from scripts.laptop.kubectl import BINARY
from scripts.laptop.process import Running, platform

SERVICES, REVISIONS, NAMESPACES = 1000, 3, 10
LISTINGS = 5
IDLE_SECONDS = 20.0
PATIENCE = 180.0
URLS = Urls("localhost", 8080)


def run(report: Report, options: Options) -> None:
    """Fill a store, start the platform over it, and ask kubectl and the operating system."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        data = Path(folder)
        _fill(data)
        began = time.perf_counter()
        with platform(data, 0) as running:
            _row(report, "start to ready", time.perf_counter() - began, "s")
            _row(report, "start to quiet", _until_quiet(running, began), "s")
            table = [_timed(running, "get", "ksvc", "-A") for _ in range(LISTINGS)]
            revisions = [_timed(running, "get", "rev", "-A") for _ in range(LISTINGS)]
            _row(report, "kubectl get ksvc -A (median)", statistics.median(table), "s")
            _row(report, "kubectl get rev -A (median)", statistics.median(revisions), "s")
            idle = _idle(running, options.seconds or IDLE_SECONDS)
            for name, percent in idle.items():
                _row(report, f"idle CPU: {name}", percent, "% of a core")
    report.at_most("kubectl get ksvc -A", statistics.median(table), 2, "s")
    report.at_most("idle CPU of the platform", sum(idle.values()), 2, "% of a core")


def _row(report: Report, what: str, value: float, unit: str) -> None:
    report.row(what=what, value=value, unit=unit)


def _fill(data: Path) -> None:
    """Make what the controllers would have made, Revision by Revision."""
    store = Store(data / "store.db")
    for number in range(NAMESPACES):
        meta = {"name": f"team-{number}"}
        store.create({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
    for number in range(SERVICES):
        _service(store, f"team-{number % NAMESPACES}", f"fn-{number:04}")
    store.close()


def _service(store: Store, namespace: str, name: str) -> None:
    obj: dict[str, Any] = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"template": _template(0)},
    }
    default_service(obj, None)
    store.create(obj)
    for number in range(REVISIONS):
        service = store.get("Service", namespace, name)
        service["spec"]["template"] = _template(number)
        default_service(service, service)
        store.update(service)
        reconcile(store, URLS, (namespace, name))
        _made_ready(store, namespace, f"{name}-{number + 1:05}")
        reconcile(store, URLS, (namespace, name))


def _template(number: int) -> dict[str, Any]:
    env = [{"name": "NUMBER", "value": str(number)}]
    return {"spec": {"containers": [{"image": "example/benchmark", "env": env}]}}


def _made_ready(store: Store, namespace: str, name: str) -> None:
    status: dict[str, Any] = {"observedGeneration": 1, "actualReplicas": 0, "desiredReplicas": 0}
    for condition in ("ContainerHealthy", "Ready", "ResourcesAvailable"):
        set_condition(status, condition, "True", now=datetime.now(UTC))
    store.update_status("Revision", namespace, name, status)


def _timed(running: Running, *arguments: str) -> float:
    command = [str(BINARY), "--kubeconfig", str(running.kubeconfig), *arguments]
    began = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if done.returncode or len(done.stdout.splitlines()) <= SERVICES:
        raise CannotMeasure(f"kubectl {' '.join(arguments)}: {done.stderr or done.stdout[-200:]}")
    return seconds


def _until_quiet(running: Running, began: float) -> float:
    """Wait until the start's own work is over; return the seconds since it began."""
    while sum(_idle(running, 1.0).values()) > 10:  # noqa: PLR2004 - percent; still at work
        if time.perf_counter() - began > PATIENCE:
            raise CannotMeasure(f"the platform was still at work after {PATIENCE:.0f} s")
    return time.perf_counter() - began


def _idle(running: Running, seconds: float) -> dict[str, float]:
    """Return the percent of a core that each process of the platform takes while nobody asks."""
    own = psutil.Process(running.process.pid)
    processes = [own, *own.children(recursive=True)]
    before = dict(_used(processes))
    time.sleep(seconds)
    after = dict(_used(processes))
    return {name: 100 * (after[name] - before[name]) / seconds for name in after}


def _used(processes: list[psutil.Process]) -> Iterator[tuple[str, float]]:
    for number, process in enumerate(processes):
        times = process.cpu_times()
        name = "platform" if number == 0 else f"{process.name()} ({number})"
        yield name, times.user + times.system
