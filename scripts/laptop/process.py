"""The platform as a child process: started, waited for, and always ended with its parent."""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS, STOP_SECONDS = 60, 30
PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Running:
    """A platform that is ready: its addresses and the process that serves them."""

    gateway_port: int
    kubeconfig: Path
    s3_url: str
    data: Path
    process: subprocess.Popen[str]


class StartError(Exception):
    """The platform did not start; the message is one line for a person."""


@contextmanager
def platform(data: Path, port: int, environ: Mapping[str, str] | None = None) -> Iterator[Running]:
    """Run `python -m knative.local` over `data`; port 0 takes a free one. Ends with the block."""
    command = [sys.executable, "-m", "knative.local", "--data", str(data), "--port", str(port)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=dict(environ or os.environ),
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the parent, which ends this in order
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - no thread runs yet, and it only calls prctl
    )
    with process:  # closes our end of its output
        try:
            yield _running(_ready(process), data, process)
        finally:
            stop(process)


def stop(process: subprocess.Popen[str]) -> None:
    """Ask the platform to end; after `STOP_SECONDS` make it."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _die_with_parent() -> None:
    """Linux sends us SIGTERM when the parent dies, however it dies."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _ready(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Return the platform's first line; its own one-line refusal is on stderr already."""
    timer = threading.Timer(START_SECONDS, process.kill)
    timer.start()
    line = process.stdout.readline() if process.stdout else ""
    timer.cancel()
    if not line:
        process.wait()
        raise StartError("the platform did not start" if process.returncode != 2 else "")  # noqa: PLR2004 - it has said why itself
    ready: dict[str, Any] = json.loads(line)
    return ready


def _running(ready: dict[str, Any], data: Path, process: subprocess.Popen[str]) -> Running:
    return Running(
        gateway_port=int(ready["gateway"]),
        kubeconfig=Path(ready["kubeconfig"]),
        s3_url=str(ready["s3"]),
        data=data,
        process=process,
    )
