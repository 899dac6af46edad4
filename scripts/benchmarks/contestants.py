"""Servers of the same model, started alike and asked alike: ours, and what teams deploy instead.

`functions-framework` with a transformers pipeline runs in this environment, every other peer in one
of its own (environments.py). A server takes part only once it has found the right entities.
"""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from scripts.benchmarks import answers, environments
from scripts.benchmarks.bert_base import TEXT, BertBase
from scripts.benchmarks.harness import ROOT, CannotMeasure

PATIENCE = 60.0
POLL = 0.005
_SERVERS = Path(__file__).with_name("contestant_servers")

Body = Callable[[str], object]


def _texts(text: str) -> object:
    return {"texts": [text]}


def _instances(text: str) -> object:
    return {"instances": [text]}


def _tensor(text: str) -> object:
    return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [text]}]}


@dataclass(frozen=True, slots=True)
class Contestant:
    """How a server is started and what it is asked; `packages` make an environment of its own."""

    name: str
    arguments: tuple[str, ...]
    path: str
    body: Body = _texts
    packages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Started:
    """A server that has answered once: after how long, and where it is."""

    seconds: float
    url: str
    process: psutil.Process

    def memory(self) -> float:
        """Return the proportional set size of it and all its children, in MiB."""
        processes = [self.process, *self.process.children(recursive=True)]
        return float(sum(one.memory_full_info().pss for one in processes)) / (1 << 20)


OURS = Contestant("ours", ("-m", "functions.runtime", "functions.ner.app:function"), "/v1/entities")
FRAMEWORK = Contestant(
    "functions-framework + pipeline",
    ("-m", "functions_framework", "--target=main", f"--source={_SERVERS / 'framework.py'}"),
    "/",
)
PEERS = {
    "kserve": Contestant(
        "KServe SDK",
        (str(_SERVERS / "kserve_server.py"),),
        "/v1/models/ner:predict",
        _instances,
        ("kserve", *environments.SHARED),
    ),
    "litserve": Contestant(
        "LitServe",
        (str(_SERVERS / "litserve_server.py"),),
        "/predict",
        packages=("litserve", *environments.SHARED),
    ),
    "bentoml": Contestant(
        "BentoML",
        ("-m", "bentoml", "serve", "bentoml_server:Ner", "--working-dir", str(_SERVERS)),
        "/find",
        packages=("bentoml", *environments.SHARED),
    ),
    "mlserver": Contestant(
        "MLServer",
        (
            "-c",
            "from mlserver.cli.main import main; main()",
            "start",
            str(_SERVERS / "mlserver_model"),
        ),
        "/v2/models/ner/infer",
        _tensor,
        (
            "mlserver",
            "uvloop<0.22",
            *environments.SHARED,
        ),  # it asks for a loop that later ones refuse
    ),
}


def chosen(names: str) -> list[Contestant]:
    """Return ours, the framework, and the peers named in `names`, with commas between."""
    wished = [name for name in names.split(",") if name]
    unknown = sorted(set(wished) - PEERS.keys())
    if unknown:
        raise CannotMeasure(f"no peer {unknown[0]!r}; there are {', '.join(PEERS)}")
    return [OURS, FRAMEWORK, *(PEERS[name] for name in wished)]


@contextmanager
def serving(
    contestant: Contestant,
    model: BertBase,
    more: Mapping[str, str] | None = None,
    cores: Collection[int] = (),
) -> Iterator[Started]:
    """Start a server, yield when it has answered once, stop it; `cores` are all it may use.

    Raises CannotMeasure with the reason when it cannot be installed, does not start, or errs.
    """
    python, port = _python(contestant), _free_port()
    environ = {**os.environ, **_environ(model, port), **(more or {})}
    bound = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    begun = time.monotonic()
    process = psutil.Popen([*bound, python, *contestant.arguments], cwd=ROOT, env=environ, **quiet)
    try:
        url = f"http://127.0.0.1:{port}"
        _first_answer(contestant, url, process)
        yield Started(time.monotonic() - begun, url, process)
    finally:
        for one in (*process.children(recursive=True), process):
            one.kill()
        process.wait()


def _environ(model: BertBase, port: int) -> dict[str, str]:
    return {
        "MODEL_CACHE_DIR": str(model.cache),
        "MODEL_DIGEST": model.digest,
        "MODEL_FOLDER": str(model.folder),
        "HF_HUB_OFFLINE": "1",
        "PORT": str(port),
        "METRICS_PORT": "0",
        "BENTOML_PORT": str(port),
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(_free_port()),
        "MLSERVER_METRICS_PORT": str(_free_port()),
        "MLSERVER_METRICS_DIR": str(environments.PLACE / "mlserver-metrics"),
        "MLSERVER_ENVIRONMENTS_DIR": str(environments.PLACE / "mlserver-environments"),
    }


def _first_answer(contestant: Contestant, url: str, process: psutil.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                answer = client.post(contestant.path, json=contestant.body(TEXT))
            except httpx.TransportError:
                answer = httpx.Response(503)  # it does not listen yet
            if answer.is_success:
                answers.check(contestant.name, answer.json())
                return
            time.sleep(POLL)
    raise CannotMeasure(f"{contestant.name} does not answer")


def _python(contestant: Contestant) -> str:
    if not contestant.packages:
        return sys.executable
    return str(environments.python(contestant.packages[0], contestant.packages))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
