"""The runtime's settings: read from the environment once, at the process's start."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RuntimeSettings:
    """What Knative and the operator tell every function, whatever it does."""

    port: int
    """`PORT`: where to listen; set by Knative. Default 8080."""
    bind_address: str
    """`BIND_ADDRESS`: the interface to listen on. Default 0.0.0.0, all of a Pod's."""
    metrics_port: int
    """`METRICS_PORT`: Prometheus' port, never the request port. Default 9464; 0 turns it off."""
    service: str
    """`K_SERVICE`: the Knative Service; the function's own name outside Knative."""
    revision: str
    """`K_REVISION`: the Revision; empty outside Knative."""
    log_level: str
    """`LOG_LEVEL`: DEBUG, INFO, WARNING or ERROR. Default INFO."""
    drain_seconds: int
    """`DRAIN_SECONDS`: how long requests in flight may take after SIGTERM. Default 30."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str], function: str) -> "RuntimeSettings":
        """Read `environ`; a value that is not a number raises ValueError with its name."""
        return cls(
            port=_integer(environ, "PORT", 8080),
            bind_address=environ.get("BIND_ADDRESS", "0.0.0.0"),  # noqa: S104 - a Pod has one address
            metrics_port=_integer(environ, "METRICS_PORT", 9464),
            service=environ.get("K_SERVICE", function),
            revision=environ.get("K_REVISION", ""),
            log_level=environ.get("LOG_LEVEL", "INFO").upper(),
            drain_seconds=_integer(environ, "DRAIN_SECONDS", 30),
        )


def _integer(environ: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(environ.get(name, default))
    except ValueError as error:
        message = f"{name} must be a whole number, not {environ[name]!r}"
        raise ValueError(message) from error
