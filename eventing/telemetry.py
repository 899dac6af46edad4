"""Spans and last samples leave by OTLP/HTTP, from a thread of their own.

Off unless `OTEL_EXPORTER_OTLP_ENDPOINT` is set. OpenTelemetry is imported by the thread at its first
batch, after the first request was answered: a cold start does not pay for it. A collector that is
away costs spans, never a request. `flush` sends what is left and is called at the process's end.
"""

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from eventing.spans import Place, Span

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
PATIENCE = 1.0
"""Seconds that spans may wait for company."""
WAITING = 10_000
"""Spans that may wait; later ones are lost."""
BATCH = 500
FLUSH_SECONDS = 5.0
log = logging.getLogger(__name__)


class Telemetry:
    """Sends spans of one process; `resource` says whose they are."""

    def __init__(self, endpoint: str, resource: Mapping[str, str]) -> None:
        self.endpoint, self.resource = endpoint, dict(resource)
        self._spans: queue.Queue[Span | None] = queue.Queue(WAITING)
        self._thread: threading.Thread | None = None
        self._exporter: Any = None
        self._starting = threading.Lock()

    def record(self, span: Span) -> None:
        """Take a span; never blocks."""
        try:
            self._spans.put_nowait(span)
        except queue.Full:
            return
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
                self._thread.start()

    def flush(self) -> None:
        """Send what is left, for at most `FLUSH_SECONDS`."""
        if self._thread is not None:
            self._spans.put(None)
            self._thread.join(FLUSH_SECONDS)

    def _run(self) -> None:
        last = False
        while not last:
            first = self._spans.get()
            batch, last = self._company(first)
            if batch:
                self._send(batch)

    def _company(self, first: Span | None) -> tuple[list[Span], bool]:
        """Collect what comes within `PATIENCE`; True at the process's end."""
        batch: list[Span] = []
        item = first
        try:
            while item is not None and len(batch) < BATCH:
                batch.append(item)
                item = self._spans.get(timeout=PATIENCE)
        except queue.Empty:
            return batch, False
        if item is not None:
            batch.append(item)
        return batch, item is None

    def _send(self, batch: Sequence[Span]) -> None:
        try:
            if self._exporter is None:
                self._exporter = _exporter(self.endpoint)
            self._exporter.export([_readable(span, self.resource) for span in batch])
        except Exception as error:  # noqa: BLE001 - whatever the collector has, requests go on
            log.warning("%d spans are lost: %s", len(batch), error)


_active: Telemetry | None = None


def configure(environ: Mapping[str, str], resource: Mapping[str, str]) -> None:
    """Turn telemetry on where the environment names a collector, off elsewhere."""
    global _active  # noqa: PLW0603 - one process has one collector
    endpoint = environ.get(ENDPOINT, "").rstrip("/")
    _active = Telemetry(endpoint, resource) if endpoint else None


def active() -> Telemetry | None:
    """Return the process's telemetry; None when it is off."""
    return _active


def record(make: Callable[[], Span]) -> None:
    """Record the span that `make` returns; it is not called when telemetry is off."""
    if _active is not None:
        span = make()
        if span.place.sampled:
            _active.record(span)


def flush() -> None:
    """Send what is left, if anything."""
    if _active is not None:
        _active.flush()


def _exporter(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - slow, and only where traces go
        OTLPSpanExporter,
    )

    return OTLPSpanExporter(endpoint=f"{endpoint}/v1/traces", timeout=FLUSH_SECONDS)


def _readable(span: Span, resource: Mapping[str, str]) -> Any:
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - slow, and only where traces go
    from opentelemetry.sdk.trace import ReadableSpan  # noqa: PLC0415 - slow, and only where traces go
    from opentelemetry.trace import Link, SpanKind, Status, StatusCode  # noqa: PLC0415 - slow, and only where traces go

    return ReadableSpan(
        name=span.name,
        context=_context(span.place),
        parent=_context(span.parent) if span.parent else None,
        resource=Resource(dict(resource)),
        attributes=dict(span.attributes),
        links=[Link(_context(place)) for place in span.links],
        kind=SpanKind[span.kind.upper()],
        status=Status(StatusCode.ERROR if span.failed else StatusCode.UNSET),
        start_time=span.started,
        end_time=span.ended,
    )


def _context(place: Place) -> Any:
    from opentelemetry.trace import SpanContext, TraceFlags  # noqa: PLC0415 - slow, and only where traces go

    flags = TraceFlags(TraceFlags.SAMPLED if place.sampled else TraceFlags.DEFAULT)
    return SpanContext(
        int(place.trace_id, 16), int(place.span_id, 16), is_remote=True, trace_flags=flags
    )
