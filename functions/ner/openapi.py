"""The description of ner's paths, as OpenAPI 3.1; what is not in here is not promised."""

from typing import Any

from functions.ner.shadow import KEPT

TEXT, NUMBER, WHOLE = {"type": "string"}, {"type": "number"}, {"type": "integer", "minimum": 0}
ENTITY = {
    "type": "object",
    "required": ["text", "label", "score", "start", "end"],
    "properties": {
        "text": {**TEXT, "description": "the characters from start to end"},
        "label": {**TEXT, "description": "such as ORG, PER, LOC, PRODUCT, MONEY, PERCENT, DATE"},
        "score": {**NUMBER, "minimum": 0, "maximum": 1},
        "start": {**WHOLE, "description": "first character (Unicode code point), from 0"},
        "end": {**WHOLE, "description": "character after the last"},
    },
}
REQUEST = {
    "type": "object",
    "required": ["texts"],
    "additionalProperties": False,
    "properties": {"texts": {"type": "array", "items": TEXT}},
}
RESPONSE = {
    "type": "object",
    "required": ["results", "model"],
    "properties": {
        "results": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["entities"],
                "properties": {"entities": {"type": "array", "items": ENTITY}},
            },
        },
        "model": {**TEXT, "description": 'such as "ner-v1.1.0", or "heuristic"'},
    },
}
ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "request_id"],
            "properties": {"code": TEXT, "message": TEXT, "request_id": TEXT},
        }
    },
}
SHADOW = {
    "type": "object",
    "required": ["address"],
    "properties": {
        "address": {**TEXT, "description": "of a tag of this Service, such as the candidate's"},
        "requests": {"type": "integer", "minimum": 1, "maximum": KEPT},
    },
}
COMPARISON = {
    "type": "object",
    "required": ["compared", "failed", "agreement", "labels"],
    "properties": {
        "compared": WHOLE,
        "failed": WHOLE,
        "agreement": {**NUMBER, "minimum": 0, "maximum": 1},
        "labels": {"type": "object", "description": "per label: found by both, or by one alone"},
    },
}
REFUSALS = {
    "400": "malformed",
    "413": "too large",
    "415": "not JSON",
    "422": "a field is not acceptable",
    "429": "the queue is full; see Retry-After",
    "503": "not ready; see Retry-After",
    "504": "past the deadline",
}


def document() -> dict[str, Any]:
    """Return the whole description."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "ner", "version": "1", "description": "Named entities in texts."},
        "paths": {
            "/v1/entities": {"post": _entities()},
            "/v1/shadow": {"post": _shadow()},
            "/v2": {"get": _protocol("The server")},
            "/v2/health/live": {"get": _protocol("The process answers")},
            "/v2/health/ready": {"get": _protocol("The model has answered once")},
            **_model_paths("/v2/models/{model}", ["model"]),
            **_model_paths("/v2/models/{model}/versions/{version}", ["model", "version"]),
        },
    }


def _entities() -> dict[str, Any]:
    return {
        "summary": "Entities of each text",
        "requestBody": {"required": True, "content": _json(REQUEST)},
        "responses": {
            "200": {"description": "a result for each text", "content": _json(RESPONSE)},
            **{
                status: {"description": reason, "content": _json(ERROR)}
                for status, reason in REFUSALS.items()
            },
        },
    }


def _shadow() -> dict[str, Any]:
    reasons = {"404": "nothing is remembered: NER_SHADOW_SHARE", **REFUSALS}
    return {
        "summary": "How a candidate answers what was asked of this process; numbers only",
        "requestBody": {"required": True, "content": _json(SHADOW)},
        "responses": {
            "200": {"description": "how far both agree", "content": _json(COMPARISON)},
            **{
                status: {"description": reason, "content": _json(ERROR)}
                for status, reason in reasons.items()
            },
        },
    }


def _model_paths(path: str, names: list[str]) -> dict[str, Any]:
    parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    infer = _protocol("Entities of the texts in a BYTES tensor")
    infer["requestBody"] = {"required": True, "content": _json({"type": "object"})}
    return {
        path: {"get": _protocol("The model"), "parameters": parameters},
        f"{path}/ready": {"get": _protocol("The model is ready"), "parameters": parameters},
        f"{path}/infer": {"post": infer, "parameters": parameters},
    }


def _protocol(summary: str) -> dict[str, Any]:
    answer = {"description": "as the Open Inference Protocol v2 says", "content": _json({})}
    return {"summary": summary, "responses": {"200": answer, "default": answer}}


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}
