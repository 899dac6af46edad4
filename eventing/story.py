"""The first span of a story: from the moment of the upload until its event was accepted.

Its ids are those of the event's own `traceparent`, so everything that follows has a parent that
was told, and a notification that comes twice tells the same span again.
"""

import time
from datetime import datetime

from eventing import telemetry
from eventing.cloudevent import CloudEvent
from eventing.spans import Place, Span, parse

_NANO = 1_000_000_000


def began(event: CloudEvent, outcome: str) -> None:
    """Record the story's first span; `outcome` is "accepted" or says why not."""
    place = parse(event.extensions.get("traceparent"))
    if place is not None:
        telemetry.record(lambda: _span(event, place, outcome))


def _span(event: CloudEvent, place: Place, outcome: str) -> Span:
    now = time.time_ns()
    return Span(
        name=f"publish {event.type}",
        kind="producer",
        place=place,
        started=min(_uploaded(event.time) or now, now),
        ended=now,
        attributes=about(event) | {"outcome": outcome},
        failed=outcome != "accepted",
    )


def about(event: CloudEvent) -> dict[str, str | int | bool]:
    """Return the attributes that OpenTelemetry gives to an event."""
    return {
        "cloudevents.event_id": event.id,
        "cloudevents.event_source": event.source,
        "cloudevents.event_type": event.type,
        "cloudevents.event_subject": event.subject or "",
    }


def _uploaded(moment: datetime | None) -> int:
    return int(moment.timestamp() * _NANO) if moment else 0
