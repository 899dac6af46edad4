"""S3 and SQS for the laptop: a child process at an address that stays, kept alive."""

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path

from knative.local.processes import Process, Spawn, free_port

log = logging.getLogger(__name__)


def endpoint(data: Path) -> str:
    """Return this instance's address: the same after a restart, unless its port is taken."""
    note = data / "s3" / "port"
    note.parent.mkdir(parents=True, exist_ok=True)
    noted = int(note.read_text()) if note.exists() else 0
    port = free_port(noted)
    note.write_text(str(port))
    return f"http://127.0.0.1:{port}"


async def run(data: Path, url: str) -> None:
    """Keep the server alive at `url` until cancelled; it comes back with all that it held."""
    folder, port = data / "s3", url.rpartition(":")[2]
    command = (sys.executable, "-m", "knative.local.s3_server", str(folder), port)
    spawn = Spawn("s3", command, dict(os.environ), Path.cwd())
    while True:
        with (folder / "log").open("wb") as output:
            child = await Process.start(spawn, data, output)
        try:
            log.warning("the S3 server ended with %s, starting it again", await child.wait())
        finally:
            # What it answered is on disk: there is nothing to wait for.
            child.signal(signal.SIGKILL)
        await asyncio.sleep(1)
