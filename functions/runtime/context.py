"""What belongs to the request that is being answered: its id and its place in a trace."""

from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RequestContext:
    """`request_id` is the caller's or ours; `traceparent` is W3C Trace Context, if it came."""

    request_id: str
    traceparent: str | None = None


_current: ContextVar[RequestContext | None] = ContextVar("request", default=None)


def enter(context: RequestContext) -> None:
    """Make `context` current for this task and those it starts."""
    _current.set(context)


def request_id() -> str | None:
    """Return the current request's id; None outside a request."""
    context = _current.get()
    return context.request_id if context else None


def traceparent() -> str | None:
    """Return the current hop's traceparent; None outside a trace."""
    context = _current.get()
    return context.traceparent if context else None


def trace_id() -> str | None:
    """Return the trace id of `traceparent` (its second field); None outside a trace."""
    fields = (traceparent() or "").split("-")
    return fields[1] if len(fields) >= 4 else None  # noqa: PLR2004 - version-trace-span-flags
