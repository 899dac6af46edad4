"""Cold starts through the local platform: gateway, activator, process and all, from zero replicas.

`ner` has bert-base, as in the benchmark of bare processes. The chain is `inference` over the demo
corpus with its own embedder: woken while `ner` is awake, and while both sleep. Memory is the
proportional set size of a replica's process tree, which counts a shared page once over all sharers.
"""

import statistics
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import psutil

from functions.index.embedder import open_embedder
from knative.serving.client import SERVICES
from scripts.benchmarks.bert_base import TEXT, BertBase
from scripts.benchmarks.cached import cached
from scripts.benchmarks.harness import ROOT, CannotMeasure, Report
from scripts.benchmarks.laptop import NAMESPACE, PATIENCE, Laptop, host, laptop, service
from scripts.corpus_index import build

SWITCH = "knative.local/fork-server"
QUESTION = "Which companies lead the market for heat pumps?"
MOST_PLAIN, MOST_FORKED, MOST_CHAIN = 0.8, 0.35, 1.5
_EMBEDDER = ROOT / "models/embedder-v1.0.0"
Body = Mapping[str, Any]


async def measure(report: Report, model: BertBase, runs: int) -> None:
    """Wake ner plainly, then forked, then the chain."""
    async with laptop() as local:
        plain, forked = _ner("ner-plain", model), _ner("ner-forked", model)
        forked["spec"]["template"]["metadata"]["annotations"][SWITCH] = "true"
        took = {}
        for name, what in (("plain", plain), ("fork server", forked)):
            await _create(local, what)
            took[name] = await _waken(local, report, name, what["metadata"]["name"], runs)
        report.at_most("through the platform, plainly", took["plain"], MOST_PLAIN, "s")
        report.at_most("through the platform, forked", took["fork server"], MOST_FORKED, "s")
        if _EMBEDDER.exists():
            await _chain(local, report, model, runs)
        else:
            report.row(chain="not measured: ./scripts/up makes the embedder that it needs")


async def _waken(local: Laptop, report: Report, how: str, name: str, runs: int) -> float:
    seconds, sizes = list[float](), list[float]()
    for number in range(runs + 1):  # the first is not counted
        await local.until(lambda: local.asleep(name), f"{name} sleeps")
        took, _ = await _ask(local, name, "/v1/entities", {"texts": [TEXT]})
        if number:
            seconds.append(took)
            sizes.append(_memory(name))
    median = statistics.median(seconds)
    report.row(
        through_the_platform=how,
        median_s=median,
        fastest_s=min(seconds),
        slowest_s=max(seconds),
        replica_PSS_MiB=statistics.median(sizes),
        runs=float(runs),
    )
    return median


async def _chain(local: Laptop, report: Report, model: BertBase, runs: int) -> None:
    with tempfile.TemporaryDirectory(prefix="bench-chain-") as folder:
        await _create(local, _ner("ner", model))
        await _create(local, _inference(Path(folder)))
        took: dict[str, list[float]] = {"ner": [], "inference": [], "both": []}
        for _ in range(runs):
            for asleep, found in took.items():
                await _sleeping(local, asleep)
                path, body = "/v1/research", dict[str, Any](question=QUESTION)
                if asleep == "ner":
                    path, body = "/v1/entities", {"texts": [TEXT]}
                seconds, answer = await _ask(
                    local, "ner" if asleep == "ner" else "inference", path, body
                )
                if "entities_error" in answer:
                    raise CannotMeasure(f"an answer without entities: {answer['entities_error']}")
                found.append(seconds)
    median = {asleep: statistics.median(found) for asleep, found in took.items()}
    for asleep, found in took.items():
        report.row(
            asleep=asleep,
            median_s=median[asleep],
            fastest_s=min(found),
            slowest_s=max(found),
            runs=float(runs),
        )
    slower = max(median["ner"], median["inference"])
    report.at_most("both asleep, to the slower alone", median["both"] / slower, MOST_CHAIN, "times")


async def _sleeping(local: Laptop, who: str) -> None:
    """Wait until both sleep, then wake the one that is to be awake."""
    for name in ("inference", "ner"):
        await local.until(lambda name=name: local.asleep(name), f"{name} sleeps")  # type: ignore[misc] # a default binds it
    if who == "inference":
        await _ask(local, "ner", "/v1/entities", {"texts": [TEXT]})


async def _create(local: Laptop, what: dict[str, Any]) -> None:
    name = what["metadata"]["name"]
    await local.kube.create(SERVICES, what)
    await local.until(lambda: local.ready(name), f"{name} is ready")


async def _ask(local: Laptop, name: str, path: str, body: Body) -> tuple[float, Any]:
    begun = time.monotonic()
    answer = await local.http.post(path, headers={"host": host(name)}, json=body, timeout=PATIENCE)
    took = time.monotonic() - begun
    if answer.status_code != httpx.codes.OK:
        raise CannotMeasure(f"{name} answered {answer.status_code}: {answer.text[:200]}")
    return took, answer.json()


def _memory(name: str) -> float:
    """Return the PSS of the replica of a Service: the newest process that has its name."""
    return max(
        (
            process.memory_full_info().pss / (1 << 20)
            for process in psutil.process_iter()
            if _is_replica(process, name)
        ),
        default=0.0,
    )


def _is_replica(process: psutil.Process, name: str) -> bool:
    try:
        return process.environ().get("K_SERVICE") == name
    except (psutil.Error, OSError):
        return False


def _ner(name: str, model: BertBase) -> dict[str, Any]:
    env = {"MODEL_CACHE_DIR": str(model.cache), "MODEL_DIGEST": model.digest}
    return _function(name, "ner", env)


def _inference(folder: Path) -> dict[str, Any]:
    digest = cached(_EMBEDDER, folder / "cache")
    embedder = open_embedder(_EMBEDDER, digest, _EMBEDDER.name)
    build(ROOT / "scripts/corpus", embedder, folder / "index")
    env = {
        "MODEL_CACHE_DIR": str(folder / "cache"),
        "MODEL_DIGEST": digest,
        "INDEX_DIR": str(folder / "index"),
        "NER_URL": f"http://ner.{NAMESPACE}.svc.cluster.local",
        "EMBED_THREADS": "1",
    }
    return _function("inference", "inference", env)


def _function(name: str, function: str, env: dict[str, str]) -> dict[str, Any]:
    command = ("python", "-m", "functions.runtime", f"functions.{function}.app:function")
    made = service(name, command, env=env, window="6s")
    made["spec"]["template"]["spec"]["containers"][0]["readinessProbe"] = {
        "httpGet": {"path": "/health/ready"}
    }
    return made
