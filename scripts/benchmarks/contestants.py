"""Servers of the same model, started alike and asked alike: ours, and what teams deploy instead.

`functions-framework` with a transformers pipeline runs in this environment. The others get an
environment of their own, made by us in the temporary folder, and only when they are asked for.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from scripts.benchmarks.bert_base import BertBase
from scripts.benchmarks.harness import ROOT, CannotMeasure

PATIENCE = 120.0
POLL = 0.005
_SERVERS = Path(__file__).with_name("contestant_servers")
_VENVS = Path(tempfile.gettempdir()) / "marketresearch-bench-venvs"


@dataclass(frozen=True, slots=True)
class Contestant:
    """How a server is started and what it is asked; `packages` make an environment of its own."""

    name: str
    arguments: tuple[str, ...]
    path: str
    field: str = "texts"
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
_MODEL = ("transformers", "torch")
PEERS = {
    "kserve": Contestant(
        "KServe SDK",
        (str(_SERVERS / "kserve_server.py"),),
        "/v1/models/ner:predict",
        "instances",
        ("kserve", *_MODEL),
    ),
    "litserve": Contestant(
        "LitServe",
        (str(_SERVERS / "litserve_server.py"),),
        "/predict",
        packages=("litserve", *_MODEL),
    ),
    "bentoml": Contestant(
        "BentoML",
        ("-m", "bentoml", "serve", "bentoml_server:Ner", "--working-dir", str(_SERVERS)),
        "/find",
        packages=("bentoml", *_MODEL),
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
    contestant: Contestant, model: BertBase, more: Mapping[str, str] | None = None
) -> Iterator[Started]:
    """Start a server, yield when it has answered once, stop it."""
    python, port = _python(contestant), _free_port()
    environ = os.environ | {
        "MODEL_CACHE_DIR": str(model.cache),
        "MODEL_DIGEST": model.digest,
        "MODEL_FOLDER": str(model.folder),
        "HF_HUB_OFFLINE": "1",
        "PORT": str(port),
        "METRICS_PORT": "0",
        "BENTOML_PORT": str(port),
        **(more or {}),
    }
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    begun = time.monotonic()
    process = psutil.Popen([python, *contestant.arguments], cwd=ROOT, env=environ, **quiet)
    try:
        url = f"http://127.0.0.1:{port}"
        _first_answer(contestant, url, process)
        yield Started(time.monotonic() - begun, url, process)
    finally:
        for one in (*process.children(recursive=True), process):
            one.kill()
        process.wait()


def _first_answer(contestant: Contestant, url: str, process: psutil.Popen) -> None:
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as client:
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if client.post(contestant.path, json={contestant.field: ["Anna"]}).is_success:
                    return
            except httpx.TransportError:
                pass  # it does not listen yet
            time.sleep(POLL)
    raise CannotMeasure(f"{contestant.name} does not answer")


def _python(contestant: Contestant) -> str:
    if not contestant.packages:
        return sys.executable
    place = _VENVS / contestant.packages[0]
    if not (place / "done").exists():
        print(f"making an environment for {contestant.name}: {place}")
        venv.create(place, with_pip=True, clear=True)
        subprocess.run([place / "bin/pip", "install", "-q", *contestant.packages], check=True)
        (place / "done").touch()
    return str(place / "bin/python")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
