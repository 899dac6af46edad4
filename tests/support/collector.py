"""A collector of the tests' own: OTLP/HTTP in, spans and samples to look at.

At /metrics it shows the samples as an OpenTelemetry collector's Prometheus exporter does.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import accumulate
from typing import Any

from google.protobuf.message import Message
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as it arrived."""

    service: str
    name: str
    trace: str
    id: str
    parent: str
    links: tuple[str, ...]
    attributes: dict[str, Any]


@dataclass(slots=True)
class Collector:
    url: str = ""
    spans: list[Seen] = field(default_factory=list)
    samples: dict[tuple[str, str], list[Message]] = field(default_factory=dict)
    shown: dict[str, float] = field(default_factory=dict)

    def take(self, path: str, body: bytes) -> None:
        if path == "/v1/traces":
            self._traces(ExportTraceServiceRequest.FromString(body))
        else:
            self._metrics(ExportMetricsServiceRequest.FromString(body))

    def _traces(self, request: Any) -> None:
        for group in request.resource_spans:
            service = _attributes(group.resource)["service.name"]
            for scope in group.scope_spans:
                self.spans += [_seen(service, span) for span in scope.spans]

    def _metrics(self, request: Any) -> None:
        for group in request.resource_metrics:
            service = _attributes(group.resource)["service.name"]
            for metric in (m for scope in group.scope_metrics for m in scope.metrics):
                data = getattr(metric, metric.WhichOneof("data"))
                self.samples[service, metric.name] = list(data.data_points)
                for point in data.data_points:
                    self.shown |= _shown(metric.name, point)

    def page(self) -> bytes:
        """Return Prometheus' text."""
        return "".join(f"{name} {value}\n" for name, value in list(self.shown.items())).encode()


def _shown(name: str, point: Any) -> dict[str, float]:
    """Return the series of one point, in Prometheus' words, with their values."""
    labels = _attributes(point)
    if not hasattr(point, "bucket_counts"):
        return {_series(name, labels): point.as_double}
    bounds = [*(repr(float(bound)) for bound in point.explicit_bounds), "+Inf"]
    up_to = accumulate(point.bucket_counts)
    found = {
        _series(f"{name}_bucket", labels | {"le": b}): n for b, n in zip(bounds, up_to, strict=True)
    }
    return found | {
        _series(f"{name}_sum", labels): point.sum,
        _series(f"{name}_count", labels): point.count,
    }


def _series(name: str, labels: dict[str, Any]) -> str:
    inside = ",".join(f'{key}="{value}"' for key, value in sorted(labels.items()))
    return f"{name}{{{inside}}}"


def _seen(service: str, span: Any) -> Seen:
    return Seen(
        service=service,
        name=span.name,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        links=tuple(link.span_id.hex() for link in span.links),
        attributes=_attributes(span),
    )


def _attributes(carrier: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in carrier.attributes}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                raise AssertionError("nobody asked for compression")
            collector.take(self.path, body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def do_GET(self) -> None:
            page = collector.page()
            self.send_response(200)
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            """Stay quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    collector.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield collector
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
