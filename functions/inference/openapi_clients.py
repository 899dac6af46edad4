"""The paths that other systems' clients use, as OpenAPI; their owners describe them in full. Pure."""

from typing import Any

TEXT: dict[str, Any] = {"type": "string"}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0}
MODEL_PATHS = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")


def paths(refusals: dict[str, Any]) -> dict[str, Any]:
    """Return the OpenAI-compatible and the Open Inference Protocol's paths."""
    return {
        "/v1/models": {"get": _described("The models of this server", {})},
        "/v1/chat/completions": {
            "post": _asked("Answer the chat's last message", "Chat")
            | {"responses": _streamed() | refusals | _missing()}
        },
        "/v1/embeddings": {
            "post": _asked("Embed texts", "Embeddings")
            | {"responses": _ok("The vectors, in the order of the texts") | refusals | _missing()}
        },
        "/v2": {"get": _described("The server", {})},
        "/v2/health/live": {"get": _described("The process answers", {})},
        "/v2/health/ready": {"get": _described("A question has been worked on", {})},
        **{path + end: item for path in MODEL_PATHS for end, item in _model(path).items()},
    }


def schemas() -> dict[str, Any]:
    """Return the bodies; what they do not name is accepted and ignored, as clients expect."""
    message = {"type": "object", "properties": {"role": TEXT, "content": {}}}
    texts = {"anyOf": [TEXT, {"type": "array", "items": TEXT, "minItems": 1}]}
    chat = {
        "model": {"const": "marketresearch"},
        "messages": {"type": "array", "items": message, "minItems": 1},
        "stream": {"type": "boolean", "default": False},
    }
    embeddings = {
        "model": TEXT,
        "input": texts,
        "encoding_format": {"enum": ["float", "base64"], "default": "float"},
        "dimensions": COUNT,
    }
    return {
        "Chat": {"type": "object", "required": ["model", "messages"], "properties": chat},
        "Embeddings": {
            "type": "object",
            "required": ["model", "input"],
            "properties": embeddings,
        },
    }


def _model(path: str) -> dict[str, Any]:
    names = ["model", "version"] if "version" in path else ["model"]
    parameters = [{"name": name, "in": "path", "required": True, "schema": TEXT} for name in names]
    body = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    infer = _described("Vectors of the texts in a BYTES tensor", {"requestBody": body})
    return {
        "": {"get": _described("The model", {}), "parameters": parameters},
        "/ready": {"get": _described("The model is ready", {}), "parameters": parameters},
        "/infer": {"post": infer, "parameters": parameters},
    }


def _described(summary: str, more: dict[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "responses": _ok(summary) | {"default": {"description": "why not"}},
    } | more


def _asked(summary: str, schema: str) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
    return {"summary": summary, "requestBody": {"required": True, "content": content}}


def _ok(description: str) -> dict[str, Any]:
    return {"200": {"description": description, "content": {"application/json": {"schema": {}}}}}


def _streamed() -> dict[str, Any]:
    answered = _ok("The answer as a completion; with `stream`, its parts and last `[DONE]`")
    answered["200"]["content"]["text/event-stream"] = {"schema": TEXT}
    return answered


def _missing() -> dict[str, Any]:
    return {"404": {"description": "There is no such model."}}
