"""One way to serve an ASGI app inside the platform's process: loopback, no signal handlers."""

import contextlib
import socket
from collections.abc import Iterator
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp

BACKLOG = 2048


class _Server(uvicorn.Server):
    """A server that leaves signals to the platform."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


async def serve(app: ASGIApp, port: int, tls: tuple[Path, Path] | None = None) -> None:
    """Serve on 127.0.0.1 until cancelled, over TLS when given (certificate, key)."""
    config = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        ssl_certfile=tls[0] if tls else None,
        ssl_keyfile=tls[1] if tls else None,
    )
    with socket.create_server(("127.0.0.1", port), backlog=BACKLOG) as listener:
        # Handed on to every connection: else the second packet of an answer waits 40 ms for an ACK.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await _Server(config).serve(sockets=[listener])
