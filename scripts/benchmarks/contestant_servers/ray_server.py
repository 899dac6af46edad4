"""The same pipeline behind Ray Serve, all of it on loopback."""  # noqa: INP001 - a program of its own

import os
import secrets
import signal
from typing import Any

# Read when Ray is imported. Without "clusters" it keeps to loopback, which it else does on macOS only.
os.environ |= {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_TOKEN": secrets.token_hex(),  # otherwise it writes one into the home folder
    "RAY_USAGE_STATS_ENABLED": "0",
}

import ray
from plain import Found, Ner
from ray import serve
from starlette.requests import Request


def _keep_to_loopback() -> None:
    """Replicas listen for one another on every interface, which no setting changes."""
    from ray.serve._private import replica  # noqa: PLC0415 - it is the replica's process

    listen = replica.add_port_to_grpc_server

    def inside(server: Any, address: str) -> int:
        return int(listen(server, address.replace("[::]", "127.0.0.1")))

    replica.add_port_to_grpc_server = inside


@serve.deployment
class Server:
    """One replica, one model."""

    def __init__(self) -> None:
        _keep_to_loopback()
        self.ner = Ner()

    async def __call__(self, request: Request) -> dict[str, Found]:
        """Answer `{"texts": [...]}`."""
        body: Any = await request.json()
        return {"results": self.ner(body["texts"])}


if __name__ == "__main__":
    ray.init(include_dashboard=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["PORT"])})
    serve.run(Server.bind())  # type: ignore[attr-defined] # the decorator adds it
    signal.pause()
