"""S3 and SQS for the laptop: a child process at an address that stays, kept alive.

AWS_ENDPOINT_URL in the platform's own environment names a real store instead: then there is none.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from knative.local.processes import Spawn, keep_alive, kept_port

_ROOT = Path(__file__).parents[2]


def endpoint(data: Path, environ: Mapping[str, str] = os.environ) -> str:
    """Return where S3 is: our own address is the same after a restart, unless its port is taken."""
    return environ.get("AWS_ENDPOINT_URL") or f"http://127.0.0.1:{kept_port(_note(data))}"


def own_ports(data: Path, url: str) -> list[int]:
    """Return the port that `run` will listen on; none when `url` is somebody else's."""
    noted = _note(data).read_text() if _note(data).exists() else ""
    return [int(noted)] if noted and url == f"http://127.0.0.1:{noted}" else []


async def run(data: Path, url: str) -> None:
    """Keep our server alive at `url` until cancelled; it comes back with all that it held."""
    for port in own_ports(data, url):
        folder = data / "s3"
        command = (sys.executable, "-m", "knative.local.s3_server", str(folder), str(port))
        spawn = Spawn("s3", command, dict(os.environ), _ROOT)
        # What it answered is on disk: there is nothing to wait for at its end.
        await keep_alive(spawn, data, folder / "log", grace=0)


def _note(data: Path) -> Path:
    return data / "s3" / "port"
