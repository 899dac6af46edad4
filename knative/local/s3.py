"""S3 and SQS for the laptop: a child process at an address that stays, kept alive.

AWS_ENDPOINT_URL in the platform's own environment names a real store instead: then there is none.
"""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from knative.local.processes import Process, Spawn, server_port

_ROOT = Path(__file__).parents[2]
log = logging.getLogger(__name__)


def endpoint(data: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return where S3 is: our own address is the same after a restart, unless its port is taken."""
    if environ.get("AWS_ENDPOINT_URL"):
        return environ["AWS_ENDPOINT_URL"]
    note = _note(data)
    note.parent.mkdir(parents=True, exist_ok=True)
    noted = int(note.read_text()) if note.exists() else 0
    note.write_text(str(server_port(noted)))
    return f"http://127.0.0.1:{note.read_text()}"


def own_ports(data: Path, url: str) -> list[int]:
    """Return the port that `run` will listen on; none when `url` is somebody else's."""
    noted = _note(data).read_text() if _note(data).exists() else ""
    return [int(noted)] if noted and url == f"http://127.0.0.1:{noted}" else []


async def run(data: Path, url: str) -> None:
    """Keep our server alive at `url` until cancelled; it comes back with all that it held."""
    for port in own_ports(data, url):
        folder = data / "s3"
        command = (sys.executable, "-m", "knative.local.s3_server", str(folder), str(port))
        await _keep_alive(Spawn("s3", command, dict(os.environ), _ROOT), data)


async def _keep_alive(spawn: Spawn, data: Path) -> None:
    while True:
        with (data / "s3" / "log").open("wb") as output:
            child = await Process.start(spawn, data, output)
        try:
            log.warning("the S3 server ended with %s, starting it again", await child.wait())
        finally:
            # What it answered is on disk: there is nothing to wait for.
            child.signal(signal.SIGKILL)
        await asyncio.sleep(1)


def _note(data: Path) -> Path:
    return data / "s3" / "port"
