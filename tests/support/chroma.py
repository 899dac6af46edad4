"""A Chroma server as a child process, as `chroma run` starts it."""

import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx


@dataclass
class ChromaServer:
    """A running server over `folder`."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def chroma_server(folder: Path) -> Iterator[ChromaServer]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    binary = shutil.which("chroma", path=str(Path(sys.executable).parent))
    assert binary is not None, "chromadb brings this command"
    command = [binary, "run", "--path", str(folder), "--host", "127.0.0.1", "--port", str(port)]
    with (folder.parent / "chroma.log").open("wb") as log:
        server = ChromaServer(folder, port, subprocess.Popen(command, stdout=log, stderr=log))
    try:
        _answers(server)
        yield server
    finally:
        server.kill()


def _answers(server: ChromaServer) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            httpx.get(f"{server.url}/api/v2/heartbeat", trust_env=False).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("the Chroma server did not start")
