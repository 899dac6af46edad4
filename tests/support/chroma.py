"""A Chroma server as a child process, as `chroma run` starts it."""

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.support.child import ChildServer, free_port


@contextmanager
def chroma_server(folder: Path) -> Iterator[ChildServer]:
    port = free_port()
    binary = shutil.which("chroma", path=str(Path(sys.executable).parent))
    assert binary is not None, "chromadb brings this command"
    command = [binary, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    with (folder.parent / "chroma.log").open("wb") as log:
        server = ChildServer(folder, port, subprocess.Popen(command, stdout=log, stderr=log))
    try:
        _answers(server)
        yield server
    finally:
        server.kill()


def _answers(server: ChildServer) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            httpx.get(f"{server.url}/api/v2/heartbeat", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the Chroma server did not start")
