"""ner's requests and responses: bodies are read strictly, and an error names the field. Pure."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from functions.ner.decode import Entity
from functions.ner.settings import Settings
from functions.ner.shadow import KEPT
from functions.runtime.errors import BadRequest, Invalid, TooLarge


def json_object(body: bytes) -> dict[str, Any]:
    """Read a JSON object; raises BadRequest for what is not JSON, Invalid for other JSON."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("the body is not JSON") from None
    if not isinstance(value, dict):
        raise Invalid("the body must be a JSON object")
    return value


def texts(body: bytes, settings: Settings) -> list[str]:
    """Read `{"texts": [...]}`."""
    value = json_object(body)
    unknown = sorted(set(value) - {"texts"})
    if unknown:
        raise Invalid(f"unknown field {unknown[0]!r}")
    if "texts" not in value:
        raise Invalid("texts is required")
    return checked(value["texts"], "texts", settings)


def shadow(body: bytes) -> tuple[object, int]:
    """Read `{"address": …, "requests": …}`: whom to ask, and how many remembered requests."""
    value = json_object(body)
    most = value.get("requests", KEPT)
    if type(most) is not int or not 0 < most <= KEPT:
        raise Invalid(f"requests must be a whole number from 1 to {KEPT}")
    return value.get("address"), most


def checked(value: Any, field: str, settings: Settings) -> list[str]:
    """Check that `value` is a list of texts within the limits; `field` names it in errors."""
    if not isinstance(value, list):
        raise Invalid(f"{field} must be a list of strings")
    if len(value) > settings.max_texts:
        raise Invalid(f"{field} must hold at most {settings.max_texts} texts")
    total = sum(_bytes(text, f"{field}[{index}]") for index, text in enumerate(value))
    if total > settings.max_bytes:
        raise TooLarge(f"{field} is {total} bytes, over {settings.max_bytes}")
    return value


def response(found: Sequence[Sequence[Entity]], model: str) -> dict[str, Any]:
    """Return the answer of `POST /v1/entities`."""
    results = [{"entities": [asdict(entity) for entity in entities]} for entities in found]
    return {"results": results, "model": model}


def _bytes(text: Any, field: str) -> int:
    if not isinstance(text, str):
        raise Invalid(f"{field} must be a string")
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        raise Invalid(f"{field} holds half of a character (a lone surrogate)") from None
