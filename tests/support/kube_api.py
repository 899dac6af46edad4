"""The Kubernetes API of the local platform alone, in a process of its own, and kubectl against it.

`python -m tests.support.kube_api DATA PORT` serves the API and reconciles Services; nothing runs
Revisions, so a test says itself when one becomes ready.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from knative.local.api import build_app, namespaces
from knative.local.api.kubeconfig import load_token, write_kubeconfig
from knative.local.api.tls import certificate
from knative.local.asgi import serve
from knative.local.serving.controller import control
from knative.local.serving.traffic import Urls
from knative.local.store import Store
from tests.support.kubectl import Kubectl

START_SECONDS = 30


@dataclass(frozen=True, slots=True)
class KubeApi(Kubectl):
    data: Path
    process: subprocess.Popen[bytes]

    @property
    def environ(self) -> dict[str, str]:
        home = self.data / "home"  # kubectl's discovery cache
        return {**os.environ, "KUBECONFIG": str(self.data / "kubeconfig"), "HOME": str(home)}

    def set_ready(self, revision: str, value: str = "True", message: str = "") -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        condition = {"type": "Ready", "status": value, "lastTransitionTime": now}
        patch = {"status": {"conditions": [{**condition, "message": message}]}}
        self.wait_for(revision)
        self.kubectl(
            "patch",
            "rev",
            revision,
            "--subresource=status",
            "--type=merge",
            "-p",
            json.dumps(patch),
        )

    def wait_for(self, revision: str) -> None:
        self.kubectl("wait", "--for=create", f"rev/{revision}", "--timeout=10s")


@contextmanager
def kube_api(data: Path) -> Iterator[KubeApi]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "tests.support.kube_api", str(data), str(port)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            _await_port(port, process)
            yield KubeApi(data, process)
        finally:
            process.kill()


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the API did not start")


async def _main(data: Path, port: int) -> None:
    store, token = Store(data / "store.db"), load_token(data)
    write_kubeconfig(data, port, token)
    app = build_app(store, token, data)
    tls = certificate(data)
    urls = Urls("localhost", 8080)
    await asyncio.gather(serve(app, port, tls), control(store, urls), namespaces.run(store))


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), int(sys.argv[2])))
