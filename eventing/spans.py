"""Spans as values, and W3C Trace Context as text. Pure but for the ids that it draws.

A span is a record that is made when it has ended; who sends it, and whether at all, is
`eventing.telemetry`'s business. So nothing of OpenTelemetry is imported on the way of a request.
"""

import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
_SAMPLED = 1


@dataclass(frozen=True, slots=True)
class Place:
    """A span's place: its trace, its own id, and whether the trace is recorded."""

    trace_id: str
    span_id: str
    sampled: bool = True

    @property
    def traceparent(self) -> str:
        """The header's text."""
        return f"00-{self.trace_id}-{self.span_id}-{int(self.sampled):02x}"


@dataclass(frozen=True, slots=True)
class Span:
    """What happened between two moments (nanoseconds since the epoch); `kind` as OpenTelemetry's."""

    name: str
    kind: str
    place: Place
    started: int
    ended: int
    parent: Place | None = None
    links: tuple[Place, ...] = ()
    attributes: Mapping[str, str | int | bool] = field(default_factory=dict)
    failed: bool = False


def parse(traceparent: str | None) -> Place | None:
    """Read a traceparent; None for none and for what is none."""
    match = _TRACEPARENT.fullmatch(traceparent or "")
    if match is None or not int(match[1], 16) or not int(match[2], 16):
        return None
    return Place(match[1], match[2], bool(int(match[3], 16) & _SAMPLED))


def child(parent: Place | None) -> Place:
    """Make a place below `parent`, or the first of a new trace."""
    if parent is None:
        return Place(secrets.token_hex(16), secrets.token_hex(8))
    return Place(parent.trace_id, secrets.token_hex(8), parent.sampled)


def above(hop: Place | None, story: Place | None) -> tuple[Place | None, tuple[Place, ...]]:
    """Choose the parent among the last hop and the story's start, and what to link to beside it.

    An event's span belongs to its story's trace. Where the hop is in another trace (a tick's, a
    Broker's of its own), the hop is linked to; where it is in the same, the story's start is.
    """
    if story is None:
        return hop, ()
    if hop is None or hop == story:
        return story, (story,)
    if hop.trace_id == story.trace_id:
        return hop, (story,)
    return story, (story, hop)
