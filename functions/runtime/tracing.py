"""A server span a request, in OpenTelemetry's HTTP, FaaS and event words; the spans of a start.

Those of calls are `http`'s.

Nothing here is recorded unless a collector is configured (`eventing.telemetry`); places in the trace
travel onward either way. A request waited for a cold start when it came within a moment of the
first time that this process said it was ready: Knative holds requests until then and lets them go
at once. `x-request-start` (milliseconds since the epoch, as some gateways send it) knows it exactly.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

from eventing import telemetry
from eventing.spans import Place, Span, above, child, parse
from functions.runtime import context

LET_GO_SECONDS = 1.0
_TIMER = "dev.knative.sources.ping"
_SERVER_FAULT = 500
_NANO = 1_000_000_000
Attributes = dict[str, str | int | bool]


@dataclass(slots=True)
class Readiness:
    """When this process first said that it was ready, in seconds since the epoch; 0 before."""

    told: float = 0.0

    def tell(self, now: float) -> None:
        """Note it; only the first time counts."""
        self.told = self.told or now

    def waited(self, start: str, now: float) -> bool:
        """Whether a request that came at `now` was held back by this process's start."""
        if not self.told:
            return True
        if start.removeprefix("t=").isdecimal():
            return int(start.removeprefix("t=")) / 1000 < self.told
        return now - self.told < LET_GO_SECONDS


readiness = Readiness()


@dataclass(frozen=True, slots=True)
class Opened:
    """A request whose span will be recorded at its end."""

    place: Place
    parent: Place | None
    links: tuple[Place, ...]
    started: int
    cold: bool


def open_request(headers: Mapping[str, str], now: int) -> tuple[str | None, Opened | None]:
    """Return the traceparent that calls of this request carry, and what its span begins with."""
    parent, links = above(parse(headers.get("traceparent")), parse(headers.get("ce-traceparent")))
    if telemetry.active() is None:
        return (parent.traceparent if parent else None), None
    place = child(parent)
    cold = readiness.waited(headers.get("x-request-start", ""), now / _NANO)
    return place.traceparent, Opened(place, parent, links, now, cold)


def close_request(opened: Opened | None, headers: Mapping[str, str], what: Attributes) -> None:
    """Record the span; `what` has the HTTP attributes."""
    if opened is None:
        return
    status = int(what["http.response.status_code"])
    name = f"{what['http.request.method']} {what['http.route']}"
    telemetry.record(
        lambda: Span(
            name=name,
            kind="consumer" if "ce-id" in headers else "server",
            place=opened.place,
            parent=opened.parent,
            links=opened.links,
            started=opened.started,
            ended=time.time_ns(),
            attributes=what | _function(headers) | {"faas.coldstart": opened.cold},
            failed=status >= _SERVER_FAULT,
        )
    )


def _function(headers: Mapping[str, str]) -> Attributes:
    kind = headers.get("ce-type", "")
    trigger = "timer" if kind == _TIMER else "pubsub" if kind else "http"
    event = {
        f"cloudevents.event_{name}": headers[f"ce-{name}"]
        for name in ("id", "source", "type", "subject")
        if f"ce-{name}" in headers
    }
    return {"faas.trigger": trigger, "faas.invocation_id": context.request_id() or "", **event}


def close_start(phases: Mapping[str, float], ended: int) -> None:
    """Record a start as a trace of its own: one span for the whole, one below it for each phase."""
    whole, lengths = child(None), [int(seconds * _NANO) for seconds in phases.values()]
    begun = ended - sum(lengths)
    cold: Attributes = {"faas.coldstart": True}
    telemetry.record(lambda: Span("cold start", "internal", whole, begun, ended, attributes=cold))
    for phase, length in zip(phases, lengths, strict=True):
        span = Span(f"cold start: {phase}", "internal", child(whole), begun, begun + length, whole)
        telemetry.record(lambda span=span: span)  # type: ignore[misc] # a default binds it
        begun += length
