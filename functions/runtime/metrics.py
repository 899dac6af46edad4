"""Prometheus metrics in which every series carries `service` and `revision`.

A metric is declared once, where it is counted; the identity is known only when the process starts,
so it is put in when a series is asked for.
"""

from collections.abc import Sequence
from typing import Generic, TypeVar

from prometheus_client import Counter, Gauge, Histogram

M = TypeVar("M", Counter, Gauge, Histogram)
_IDENTITY = ("service", "revision")
_identity = {"service": "", "revision": ""}

LATENCY_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
"""Seconds: from a warm model's answer to a cold start."""


class Labelled(Generic[M]):
    """A metric whose identity labels are filled in by us."""

    def __init__(self, metric: M) -> None:
        self._metric: M = metric

    def labels(self, **labels: str) -> M:
        """Return the series of this process with `labels`."""
        series: M = self._metric.labels(**_identity, **labels)
        return series


def configure(service: str, revision: str) -> None:
    """Name this process, before any series is asked for."""
    _identity.update(service=service, revision=revision)


def revision() -> str:
    """Return this process's Revision; empty outside Knative."""
    return _identity["revision"]


def counter(name: str, documentation: str, labels: Sequence[str] = ()) -> Labelled[Counter]:
    """Declare a counter; Prometheus adds `_total` to its name when it is missing."""
    return Labelled(Counter(name, documentation, (*_IDENTITY, *labels)))


def gauge(name: str, documentation: str, labels: Sequence[str] = ()) -> Labelled[Gauge]:
    """Declare a gauge."""
    return Labelled(Gauge(name, documentation, (*_IDENTITY, *labels)))


def histogram(
    name: str,
    documentation: str,
    labels: Sequence[str] = (),
    buckets: Sequence[float] = LATENCY_BUCKETS,
) -> Labelled[Histogram]:
    """Declare a histogram; `buckets` are upper bounds in the metric's unit."""
    return Labelled(Histogram(name, documentation, (*_IDENTITY, *labels), buckets=buckets))


COLD_START = gauge("cold_start_seconds", "Seconds a phase of this start took", ("phase",))
REQUEST_SECONDS = histogram(
    "http_server_request_duration_seconds", "Time to the last byte", ("method", "route", "status")
)
EVENTS = counter("event_deliveries_total", "Events by how they were answered", ("result",))
