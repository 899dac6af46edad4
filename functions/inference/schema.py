"""What a research request may say: parsed strictly, and each refusal names the field.

Bytes that are not a JSON object are 400; a value that is not acceptable is 422. Pure.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from functions.runtime.errors import BadRequest, Invalid

MOST_CHARACTERS = 2000
DEFAULT_TOP_K, MOST_TOP_K = 6, 50
MOST_TAGS = 20
_DATE = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents count: dates are inclusive ISO dates or beginnings of them."""

    date_from: str = ""
    date_to: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ResearchRequest:
    """A question; `top_k` is how many chunks are looked at."""

    question: str
    top_k: int = DEFAULT_TOP_K
    stream: bool = False
    filters: Filters = field(default_factory=Filters)


def parse_research(body: bytes) -> ResearchRequest:
    """Read the body of `POST /v1/research`."""
    raw = json_object(body)
    _only(raw, {"question", "top_k", "stream", "filters"}, "")
    return ResearchRequest(
        question=question_text(raw.get("question"), "question"),
        top_k=_top_k(raw.get("top_k", DEFAULT_TOP_K)),
        stream=flag(raw.get("stream", False), "stream"),
        filters=_filters(raw.get("filters", {})),
    )


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; raises BadRequest for anything else."""
    try:
        raw = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(raw, dict):
        raise BadRequest("the body must be a JSON object")
    return raw


def _only(raw: Mapping[str, Any], known: set[str], where: str) -> None:
    unknown = sorted(set(raw) - known)
    if unknown:
        raise Invalid(f"`{where}{unknown[0][:40]}` is not a field of this request")


def question_text(value: object, name: str) -> str:
    """Check a question; `name` is its field in messages."""
    text = text_of(value, name).strip()
    if not text:
        raise Invalid(f"`{name}` must be a text that is not empty")
    if len(text) > MOST_CHARACTERS:
        raise Invalid(f"`{name}` has {len(text)} characters, {MOST_CHARACTERS} are allowed")
    return text


def text_of(value: object, name: str) -> str:
    """Check that a value is text which can be sent on."""
    if not isinstance(value, str):
        raise Invalid(f"`{name}` must be a text")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise Invalid(f"`{name}` holds half of a surrogate pair, which is no text")
    return value


def _top_k(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= MOST_TOP_K:
        raise Invalid(f"`top_k` must be a whole number from 1 to {MOST_TOP_K}")
    return value


def flag(value: object, name: str) -> bool:
    """Check that a value is true or false."""
    if not isinstance(value, bool):
        raise Invalid(f"`{name}` must be true or false")
    return value


def _filters(value: object) -> Filters:
    if not isinstance(value, dict):
        raise Invalid("`filters` must be an object")
    _only(value, {"date_from", "date_to", "source", "tags"}, "filters.")
    return Filters(
        date_from=_date(value.get("date_from", ""), "date_from"),
        date_to=_date(value.get("date_to", ""), "date_to"),
        source=text_of(value.get("source", ""), "filters.source"),
        tags=_tags(value.get("tags", [])),
    )


def _date(value: object, name: str) -> str:
    if not isinstance(value, str) or (value and not _DATE.fullmatch(value)):
        raise Invalid(f"`filters.{name}` must be a date such as 2025-01-31, or 2025")
    return value


def _tags(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(tag, str) for tag in value):
        raise Invalid("`filters.tags` must be a list of texts")
    if len(value) > MOST_TAGS:
        raise Invalid(f"`filters.tags` has {len(value)} tags, {MOST_TAGS} are allowed")
    return tuple(value)
