"""The OpenAPI document of `inference`: what tests fuzz and clients generate from. Pure."""

from typing import Any

from functions.inference import openapi_clients
from functions.inference.schema import DEFAULT_TOP_K, MOST_CHARACTERS, MOST_TAGS, MOST_TOP_K

TEXT: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
DATE: dict[str, Any] = {"type": "string", "pattern": r"^(\d{4}(-\d\d(-\d\d)?)?)?$"}
REFUSALS = {
    "400": "The body is not a JSON object.",
    "413": "The body is too large.",
    "415": "The body is not announced as JSON.",
    "422": "A value is not acceptable; the message names the field.",
    "503": "Not ready: no model, or no index yet. Try again after `Retry-After` seconds.",
}


def document() -> dict[str, Any]:
    """Return the document, OpenAPI 3.1."""
    responses = {
        status: {"description": text, "content": _json(_ref("Error"))}
        for status, text in REFUSALS.items()
    }
    answered = {
        "description": "The answer; with `stream`, events `sentence` … and last `done` with this body.",
        "content": _json(_ref("Answer")) | {"text/event-stream": {"schema": TEXT}},
    }
    research = {
        "operationId": "research",
        "summary": "Answer a question from the corpus, with citations and entities.",
        "requestBody": {"required": True, "content": _json(_ref("Question"))},
        "responses": {"200": answered} | responses,
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "MarketResearchAI inference", "version": "1"},
        "paths": {"/v1/research": {"post": research}} | openapi_clients.paths(responses),
        "components": {"schemas": _schemas()},
    }


def _schemas() -> dict[str, Any]:
    return {
        "Question": _question(),
        "Answer": _answer(),
        "Citation": _object(
            document=TEXT, title=TEXT, date=TEXT, text=TEXT, start=COUNT, end=COUNT, score=NUMBER
        ),
        "Entity": _object(text=TEXT, label=TEXT, start=COUNT, end=COUNT, score=NUMBER),
        **openapi_clients.schemas(),
        "Error": _object(error=_object(code=TEXT, message=TEXT, request_id={})),
    }


def _question() -> dict[str, Any]:
    tags = {"type": "array", "items": TEXT, "maxItems": MOST_TAGS}
    filters = _object(date_from=DATE, date_to=DATE, source=TEXT, tags=tags) | {"required": []}
    top_k = {"type": "integer", "minimum": 1, "maximum": MOST_TOP_K, "default": DEFAULT_TOP_K}
    question = {"type": "string", "pattern": r"\S", "maxLength": MOST_CHARACTERS}
    stream = {"type": "boolean", "default": False}
    schema = _object(question=question, top_k=top_k, stream=stream, filters=filters)
    return schema | {"required": ["question"], "additionalProperties": False}


def _answer() -> dict[str, Any]:
    schema = _object(
        answer=TEXT,
        supported={"type": "boolean"},
        citations={"type": "array", "items": _ref("Citation")},
        entities={"type": "array", "items": _ref("Entity")},
        models={"type": "object"},
        index={"type": "object"},
        timings={"type": "object"},
    )
    schema["properties"]["entities_error"] = TEXT | {"description": "Why `entities` is empty."}
    return schema


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
