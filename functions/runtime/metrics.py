"""Prometheus metrics in which every series carries `service` and `revision`.

A metric is declared once, where it is counted; the identity is known only when the process starts,
so it is put in when a series is asked for. Prometheus' library is imported with the first series:
what is told while the process starts waits (`soon`) until `serve`, so that no start waits for it.
"""

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:  # importing it takes as long as opening a model
    from prometheus_client import Counter, Gauge, Histogram

M = TypeVar("M", "Counter", "Gauge", "Histogram")
_IDENTITY = ("service", "revision")
_identity = {"service": "", "revision": ""}
_lock = threading.RLock()
_waiting: list[Callable[[], None]] | None = []
"""What is told once somebody can ask; None from then on."""

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: from a warm model's answer to a cold start."""


class Labelled(Generic[M]):
    """A metric whose identity labels are filled in by us, made when its first series is asked for."""

    def __init__(self, make: Callable[[], M]) -> None:
        self._make: Callable[[], M] = make
        self._metric: M | None = None

    def labels(self, **labels: str) -> M:
        """Return the series of this process with `labels`."""
        with _lock:  # made twice, a metric would be refused
            if self._metric is None:
                self._metric = self._make()
        series: M = self._metric.labels(**_identity, **labels)
        return series


def configure(service: str, revision: str) -> None:
    """Name this process, before any series is asked for."""
    _identity.update(service=service, revision=revision)


def revision() -> str:
    """Return this process's Revision; empty outside Knative."""
    return _identity["revision"]


def soon(tell: Callable[[], None]) -> None:
    """Call `tell`, which sets a sample, once the start is over."""
    with _lock:
        if _waiting is not None:
            _waiting.append(tell)
            return
    tell()


def serve(port: int = 0, address: str = "") -> None:
    """Tell what waited and serve all of it on `port`; 0 is nowhere. Blocks for an import."""
    global _waiting
    with _lock:
        waited, _waiting = _waiting or (), None
    for tell in waited:
        tell()
    if port:
        from prometheus_client import start_http_server  # noqa: PLC0415 - see above

        start_http_server(port, address)


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Labelled["Counter"]:
    """Declare a counter; Prometheus adds `_total` to its name when it is missing."""

    def make() -> "Counter":
        from prometheus_client import Counter  # noqa: PLC0415 - see above

        return Counter(name, documentation, (*_IDENTITY, *labels))

    return Labelled(make)


def gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Labelled["Gauge"]:
    """Declare a gauge."""

    def make() -> "Gauge":
        from prometheus_client import Gauge  # noqa: PLC0415 - see above

        return Gauge(name, documentation, (*_IDENTITY, *labels))

    return Labelled(make)


def histogram(
    name: str,
    documentation: str,
    labels: Sequence[str] = (),
    buckets: Sequence[float] = LATENCY_BUCKETS,
) -> Labelled["Histogram"]:
    """Declare a histogram; `buckets` are upper bounds in the metric's unit."""

    def make() -> "Histogram":
        from prometheus_client import Histogram  # noqa: PLC0415 - see above

        return Histogram(name, documentation, (*_IDENTITY, *labels), buckets=buckets)

    return Labelled(make)


COLD_START = gauge("cold_start_seconds", "Seconds a phase of this start took", ("phase",))
REQUEST_SECONDS = histogram(
    "http_server_request_duration_seconds", "Time to the last byte", ("method", "route", "status")
)
EVENTS = counter("event_deliveries_total", "Events by how they were answered", ("result",))
