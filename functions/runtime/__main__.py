"""`python -m functions.runtime MODULE:ATTRIBUTE` serves a function on `PORT` until SIGTERM."""

import gc

if __name__ == "__main__":
    gc.disable()  # nothing of what is imported is garbage, and looking for it takes a twentieth of it

from functions.runtime import coldstart

coldstart.begin()

# What follows is the import phase of the cold start, so it comes after its first mark.
import importlib  # noqa: E402 - after the first mark
import logging  # noqa: E402 - after the first mark
import os  # noqa: E402 - after the first mark
import sys  # noqa: E402 - after the first mark
from contextlib import suppress  # noqa: E402 - after the first mark
from functools import partial  # noqa: E402 - after the first mark
from typing import Any  # noqa: E402 - after the first mark

from functions.runtime import ahead, lean  # noqa: E402 - after the first mark

lean.begin()
if __name__ == "__main__" and sys.argv[1:]:
    ahead.begin(sys.argv[1], os.environ)  # the model is opened while the rest is imported

with lean.briefly("logging.config"), lean.briefly("configparser", "RawConfigParser"):
    from uvicorn.config import Config
    from uvicorn.server import Server

from eventing import telemetry  # noqa: E402 - after the first mark
from functions.runtime import logs, metrics  # noqa: E402 - after the first mark
from functions.runtime.app import build_app  # noqa: E402 - after the first mark
from functions.runtime.function import Function  # noqa: E402 - after the first mark
from functions.runtime.settings import RuntimeSettings  # noqa: E402 - after the first mark

_LATER = (
    "prometheus_client",
    "uvicorn.lifespan.on",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
"""What a server imports once it runs."""
NOT_STARTED = 3
"""The exit code that uvicorn has for it."""
USAGE = "usage: python -m functions.runtime MODULE:ATTRIBUTE, e.g. functions.ner.app:function"


def find(reference: str) -> Function[Any]:
    """Import the Function that `reference` (`module:attribute`) names; exits with a usage line."""
    module, _, attribute = reference.partition(":")
    if not attribute:
        raise SystemExit(USAGE)
    function = getattr(importlib.import_module(module), attribute)
    if not isinstance(function, Function):
        raise SystemExit(USAGE)
    return function


def identity(settings: RuntimeSettings) -> dict[str, str]:
    """Return who sends: OpenTelemetry's resource."""
    return {
        "service.name": settings.service,
        "service.instance.id": os.environ.get("HOSTNAME", ""),
        "faas.name": settings.service,
        "faas.version": settings.revision,
        "faas.instance": os.environ.get("HOSTNAME", ""),
    }


def preload() -> None:
    """Import and open what `main` will need: what a fork server does once, for all that it forks."""
    ahead.hold(sys.argv[1], os.environ)
    find(sys.argv[1])
    for module in _LATER:
        importlib.import_module(module)
    os.register_at_fork(after_in_child=coldstart.begin)


def serve_metrics(settings: RuntimeSettings) -> None:
    """Open the metrics' port; a function whose port is taken answers all the same."""
    try:
        metrics.serve(settings.metrics_port, settings.bind_address)
    except OSError:
        logging.getLogger(__name__).exception("no metrics on port %d", settings.metrics_port)


def main() -> None:
    """Serve until SIGTERM; requests in flight then get `DRAIN_SECONDS` to end."""
    if len(sys.argv) != 2:  # noqa: PLR2004 - the program and one argument
        raise SystemExit(USAGE)
    function = find(sys.argv[1])
    settings = RuntimeSettings.from_env(os.environ, function.name)
    logs.configure(settings)
    metrics.configure(settings.service, settings.revision)
    telemetry.configure(os.environ, identity(settings))
    app = build_app(function, os.environ, partial(serve_metrics, settings))
    coldstart.mark("import")
    gc.freeze()  # what was imported stays, and is never looked through again
    gc.enable()
    config = Config(
        app,
        host=settings.bind_address,
        port=settings.port,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=settings.drain_seconds,
    )
    server = Server(config)
    with suppress(KeyboardInterrupt):
        server.run()
    if not server.started:  # it has said why
        raise SystemExit(NOT_STARTED)


if __name__ == "__main__":
    main()
