"""A server of the tests' own, as a child process."""

import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass
class ChildServer:
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


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
