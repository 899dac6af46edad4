"""CloudEvents 1.0 over HTTP: what comes in is checked wholly, what goes out is always 1.0.

The `cloudevents` package reads and writes the two envelopes (binary, structured). What it leaves
undone stands here and in `eventing.attributes`: percent-coding of header values, names and values
of attributes, RFC 3339 times, and data that follows `datacontenttype` instead of a guess. So `data` is JSON when the
content type says JSON (or nothing), bytes otherwise, and a round trip changes nothing.
"""

import hashlib
import json
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields, replace
from datetime import datetime
from typing import Any
from urllib.parse import quote, unquote

from cloudevents import abstract, conversion
from cloudevents.exceptions import GenericException

from eventing.attributes import (
    JSON,
    MalformedEvent,
    check_text,
    format_time,
    is_json,
    is_media_type,
    parse_time,
)
from eventing.events import PAYLOADS, Payload

__all__ = [
    "JSON",
    "CloudEvent",
    "MalformedEvent",
    "attributes_of",
    "begin_trace",
    "format_time",
    "from_http",
    "parse_time",
    "read_raw",
    "readable",
    "to_http",
    "unwrap",
    "wrap",
]

STRUCTURED = "application/cloudevents+json"

_REQUIRED = ("ce-specversion", "ce-id", "ce-source", "ce-type")
_PRINTABLE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"%')
_UNREADABLE = (GenericException, ValueError, TypeError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class CloudEvent:
    """One event. `data` is JSON, or bytes where `datacontenttype` names something else."""

    id: str
    source: str
    type: str
    subject: str | None = None
    time: datetime | None = None
    data: Any = None
    datacontenttype: str | None = None
    extensions: Mapping[str, str] = field(default_factory=dict)
    dataschema: str | None = None


def from_http(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """Read one event in binary or structured mode, its data decoded."""
    event = read_raw(headers, body)
    try:
        return replace(event, data=_decode(event.data, event.datacontenttype))
    except _UNREADABLE as error:
        raise MalformedEvent(f"the data is not the JSON it claims to be: {error}") from error


def readable(event: CloudEvent) -> CloudEvent:
    """Decode the data of a raw event where it can be; structured mode then shows it as JSON."""
    try:
        return replace(event, data=_decode(event.data, event.datacontenttype))
    except _UNREADABLE:
        return event


def read_raw(headers: Mapping[str, str], body: bytes) -> CloudEvent:
    """Like `from_http`, but `data` stays the bytes that came: for those who only pass it on."""
    lowered = {name.lower(): value for name, value in headers.items()}
    structured = lowered.get("content-type", "").lower().startswith(STRUCTURED)
    try:
        chosen = {"content-type": STRUCTURED} if structured else _binary_headers(lowered)
        envelope = conversion.from_http(_Envelope, chosen, body, _as_it_is)
        return _checked(envelope.attributes, envelope.get_data())
    except MalformedEvent:
        raise
    except _UNREADABLE as error:
        raise MalformedEvent(str(error)) from error


def to_http(event: CloudEvent, *, structured: bool = False) -> tuple[dict[str, str], bytes]:
    """Write one event: binary mode unless `structured`."""
    attributes = attributes_of(event)
    if event.data is not None and not isinstance(event.data, bytes):
        attributes.setdefault("datacontenttype", JSON)
    if structured:
        return conversion.to_structured(_Envelope(attributes, event.data))
    content_type = attributes.pop("datacontenttype", None)
    encoded = {name: quote(value, safe=_PRINTABLE) for name, value in attributes.items()}
    if content_type is not None:
        encoded["datacontenttype"] = content_type
    return conversion.to_binary(_Envelope(encoded, event.data), _encode)


def attributes_of(event: CloudEvent) -> dict[str, str]:
    """Every context attribute and extension as text: what filters look at."""
    named = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "subject": event.subject,
        "time": None if event.time is None else format_time(event.time),
        "dataschema": event.dataschema,
        "datacontenttype": event.datacontenttype,
    }
    return {name: value for name, value in named.items() if value is not None} | dict(
        event.extensions
    )


def wrap(
    payload: Payload,
    source: str,
    cause: CloudEvent | None = None,
    subject: str | None = None,
) -> CloudEvent:
    """Put one of our payloads into an event.

    The id follows from what the event says and what caused it: a redelivered cause gives the same
    id again (a duplicate, to be dropped), a new cause a new one. The cause's `traceparent` goes on
    unchanged, so one trace leads through the whole story.
    """
    data = asdict(payload)
    origin = [] if cause is None else [cause.source, cause.id]
    content = json.dumps([payload.type, source, subject, data, origin], sort_keys=True)
    trace = {} if cause is None else cause.extensions
    return CloudEvent(
        id=hashlib.sha256(content.encode()).hexdigest()[:32],
        source=source,
        type=payload.type,
        subject=subject,
        data=data,
        datacontenttype=JSON,
        extensions={name: trace[name] for name in ("traceparent",) if name in trace},
    )


def unwrap(event: CloudEvent) -> Payload:
    """Take our payload out of an event. Members this version does not know are left out."""
    kind = PAYLOADS.get(event.type)
    if kind is None:
        raise MalformedEvent(f"{event.type!r} is not one of our event types")
    if not isinstance(event.data, dict):
        raise MalformedEvent(f"the data of {event.type} must be a JSON object")
    values = {}
    for member in fields(kind):
        if member.name in event.data:
            values[member.name] = _typed(event.data[member.name], member.name, member.type)
        elif member.default is MISSING:
            raise MalformedEvent(f"the data of {event.type} lacks {member.name!r}")
    return kind(**values)


def begin_trace(event: CloudEvent) -> CloudEvent:
    """Start the story's trace at this event, unless one was started already.

    The trace id follows from the event, so a redelivered notification stays in the same trace.
    """
    if "traceparent" in event.extensions:
        return event
    digest = hashlib.sha256(f"{event.source}\n{event.id}".encode()).hexdigest()
    trace = f"00-{digest[:32]}-{digest[32:48]}-01"
    return replace(event, extensions={**event.extensions, "traceparent": trace})


class _Envelope(abstract.CloudEvent):
    """The package's event contract, without its own class's habit of inventing id and time."""

    def __init__(self, attributes: Mapping[str, Any], data: Any) -> None:
        self.attributes = {"specversion": "1.0", **attributes}
        self._data = data

    @classmethod
    def create(cls, attributes: Mapping[str, Any], data: Any) -> "_Envelope":
        return cls(attributes, data)

    def _get_attributes(self) -> dict[str, Any]:
        return self.attributes

    def get_data(self) -> Any:
        return self._data


def _as_it_is(data: Any) -> Any:
    return data


def _binary_headers(headers: Mapping[str, str]) -> dict[str, str]:
    missing = [name for name in _REQUIRED if name not in headers]
    if missing:
        raise MalformedEvent(f"not a CloudEvent: no {', '.join(missing)}")
    if "ce-data" in headers or "ce-datacontenttype" in headers:
        raise MalformedEvent("data and datacontenttype are no ce- headers")
    chosen = {
        name: unquote(value, errors="strict")
        for name, value in headers.items()
        if name.startswith("ce-")
    }
    if "content-type" in headers:
        chosen["content-type"] = headers["content-type"]
    return chosen


def _checked(attributes: dict[str, Any], data: Any) -> CloudEvent:
    """Build the event out of attributes that may be anything JSON can hold."""
    old = attributes.pop("specversion") == "0.3"
    if old:
        attributes["dataschema"] = attributes.pop("schemaurl", None)
    base64 = old and attributes.pop("datacontentencoding", None) == "base64"
    texts = {
        name: check_text(name, value) for name, value in attributes.items() if value is not None
    }
    content_type = texts.pop("datacontenttype", JSON if isinstance(data, str) else None)
    if content_type is not None and not is_media_type(content_type):
        raise MalformedEvent(f"datacontenttype {content_type!r} cannot be that of an event's data")
    when = texts.pop("time", None)
    return CloudEvent(
        id=texts.pop("id"),
        source=texts.pop("source"),
        type=texts.pop("type"),
        subject=texts.pop("subject", None),
        time=None if when is None else parse_time(when),
        data=_raw(data, content_type, base64=base64),
        datacontenttype=content_type,
        dataschema=texts.pop("dataschema", None),
        extensions=texts,
    )


def _raw(data: Any, content_type: str | None, *, base64: bool) -> bytes | None:
    """Bytes of the data: a text here is JSON source, out of a structured event."""
    if not isinstance(data, str):
        return data or None
    if base64:
        return b64decode(json.loads(data), validate=True)
    value = None if is_json(content_type) else json.loads(data)
    return value.encode() if isinstance(value, str) else data.encode()


def _decode(data: bytes | None, content_type: str | None) -> Any:
    if data is None or not is_json(content_type):
        return data
    return json.loads(data, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> None:
    raise MalformedEvent(f"{name} is not JSON")


def _encode(data: Any) -> bytes:
    if data is None:
        return b""
    return data if isinstance(data, bytes) else json.dumps(data, allow_nan=False).encode()


def _typed(value: Any, name: str, kind: Any) -> Any:
    """Check `value` against a payload field's type; an int may stand for a float."""
    allowed = float | int if kind is float else kind
    if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
        raise MalformedEvent(f"{name!r} is of the wrong type")
    return value
