"""Names and values of a CloudEvent's attributes: what the specification allows, and nothing else."""

import re
from datetime import datetime
from typing import Any

JSON = "application/json"
_ENVELOPES = "application/cloudevents"
_NAME = re.compile(r"[a-z0-9]{1,64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")


class MalformedEvent(ValueError):
    """What was received is no valid CloudEvent; the message says which rule it breaks."""


def is_media_type(text: str) -> bool:
    """Whether it can be a Content-Type header, and is not that of an event itself."""
    return text.isascii() and not text.lower().startswith(_ENVELOPES)


def check_text(name: str, value: Any) -> str:
    """Return an attribute's value as text, or refuse its name or its value."""
    if not _NAME.fullmatch(name):
        raise MalformedEvent(f"attribute name {name!r}: only a-z and 0-9 are allowed")
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int) or value == "":
        raise MalformedEvent(f"attribute {name!r} must be a text that is not empty")
    text = str(value)
    if _FORBIDDEN.search(text):
        raise MalformedEvent(f"attribute {name!r} holds characters that are not allowed")
    return text


def is_json(content_type: str | None) -> bool:
    """Whether data of this content type is JSON."""
    bare = (content_type or "").partition(";")[0].strip().lower()
    return bare in (JSON, "text/json") or bare.endswith("+json")


def format_time(moment: datetime) -> str:
    """RFC 3339, with `Z` for UTC."""
    return moment.isoformat().replace("+00:00", "Z")


def parse_time(text: str) -> datetime:
    """RFC 3339; finer than a microsecond is cut off."""
    if not _TIME.fullmatch(text):
        raise MalformedEvent(f"time {text!r} is not an RFC 3339 timestamp")
    return datetime.fromisoformat(text.upper())
