"""Contestants are started alike, asked alike and ended alike, with all that they have started.

A server takes part only once it has found the right entities. Whatever it writes goes into a
temporary folder of this one start; nothing of it is left behind, no process either.
"""

import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from scripts.benchmarks import answers, environments
from scripts.benchmarks.bert_base import TEXT, BertBase
from scripts.benchmarks.contestants import Contestant
from scripts.benchmarks.harness import ROOT, CannotMeasure

PATIENCE = 60.0
ENDING = 10.0
POLL = 0.005
HOST = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Started:
    """A server that has answered once: after how long, and where it is."""

    seconds: float
    url: str
    process: psutil.Process

    def memory(self) -> float:
        """Return the proportional set size of it and all its children, in MiB."""
        return sum(map(_size, _family(self.process))) / (1 << 20)


@contextmanager
def serving(
    contestant: Contestant,
    model: BertBase,
    more: Mapping[str, str] | None = None,
    cores: Collection[int] = (),
) -> Iterator[Started]:
    """Start a server, yield when it has answered once, end it; `cores` are all it may use.

    Raises CannotMeasure with the reason when it cannot be installed, does not start, or errs.
    """
    python, port = environment(contestant) / "bin" / "python", free_port()
    bound = ["taskset", "-c", ",".join(map(str, cores))] if cores else []
    quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    url = f"http://{HOST}:{port}"
    with (
        tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as scratch,
        httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE) as client,
    ):
        environ = {**os.environ, **_environ(model, port, scratch), **(more or {})}
        begun = time.monotonic()
        command = [*bound, str(python), *contestant.arguments]
        process = psutil.Popen(command, cwd=ROOT, env=environ, **quiet)
        try:
            _first_answer(contestant, client, process, port)
            yield Started(time.monotonic() - begun, url, process)
        finally:
            _end(contestant, process)


def environment(contestant: Contestant) -> Path:
    """Return the folder of the environment that a contestant runs in."""
    if not contestant.packages:
        return Path(sys.prefix)
    name = contestant.packages[0].partition("[")[0]
    return environments.python(name, contestant.packages).parents[1]


def free_port() -> int:
    """Return a port of loopback that was free just now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def _environ(model: BertBase, port: int, scratch: str) -> dict[str, str]:
    return {
        "MODEL_CACHE_DIR": str(model.cache),
        "MODEL_DIGEST": model.digest,
        "MODEL_FOLDER": str(model.folder),
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": scratch,
        "PORT": str(port),
        "METRICS_PORT": "0",
        "BENTOML_PORT": str(port),
        "MLSERVER_HTTP_PORT": str(port),
        "MLSERVER_GRPC_PORT": str(free_port()),
        "MLSERVER_METRICS_PORT": str(free_port()),
        "MLSERVER_METRICS_DIR": str(Path(scratch) / "metrics"),
        "MLSERVER_ENVIRONMENTS_DIR": str(Path(scratch) / "environments"),
    }


def _first_answer(
    contestant: Contestant, client: httpx.Client, process: psutil.Popen, port: int
) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        if _listens(port):
            answer = _asked(contestant, client)
            if answer.is_success:
                answers.check(contestant.name, answer.json())
                return
        time.sleep(POLL)
    raise CannotMeasure(f"{contestant.name} does not answer")


def _listens(port: int) -> bool:
    """Say whether anybody listens: asked by HTTP each time, a start would share its cores with us."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def _asked(contestant: Contestant, client: httpx.Client) -> httpx.Response:
    try:
        return client.post(contestant.path, json=contestant.body(TEXT))
    except httpx.TransportError:
        return httpx.Response(503)  # it listens, and does not answer yet


def _family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that it has started, parents first."""
    with suppress(psutil.NoSuchProcess):
        return [process, *process.children(recursive=True)]
    return []


def _size(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):  # it ended meanwhile
        return float(process.memory_full_info().pss)
    return 0.0


def _end(contestant: Contestant, process: psutil.Popen) -> None:
    """End them all, parents first: some of them start anew what ends."""
    family = _family(process)
    for one in family:
        with suppress(psutil.NoSuchProcess):
            one.kill()
    _, left = psutil.wait_procs([process, *family[1:]], ENDING)
    if any(one.status() != psutil.STATUS_ZOMBIE for one in left):
        raise CannotMeasure(f"{contestant.name} does not end")
