"""The OpenAI API's requests and responses, as far as they make sense here. Pure.

A chat is one question, its last user message: retrieval has no memory. Settings of sampling are
accepted and ignored, since clients send them unasked; what would change the answer's form is refused.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.index.generation import Vectors
from functions.inference.embeddings import MODEL, MOST_TEXTS
from functions.inference.schema import flag, json_object, question_text, text_of
from functions.runtime.errors import Invalid

CHAT_MODEL = "marketresearch"
_CONTENT = "messages[].content"


@dataclass(frozen=True, slots=True)
class Chat:
    """A question asked as a chat; `usage` asks for the token counts at a stream's end."""

    model: str
    question: str
    stream: bool
    usage: bool


@dataclass(frozen=True, slots=True)
class Embeddings:
    """Texts to embed; `dimensions` is what the client expects, if it says so."""

    model: str
    texts: tuple[str, ...]
    encoding: str
    dimensions: int | None


@dataclass(frozen=True, slots=True)
class Head:
    """What every part of one chat's response repeats; `created` is in Unix seconds."""

    id: str
    created: int
    model: str = CHAT_MODEL


def parse_chat(body: bytes) -> Chat:
    """Read the body of `POST /v1/chat/completions`."""
    raw = json_object(body)
    if raw.get("n", 1) not in (1, None):
        raise Invalid("`n` must be 1: there is one answer")
    if raw.get("tools") or raw.get("functions"):
        raise Invalid("`tools` cannot be called here")
    options = raw.get("stream_options") or {}
    return Chat(
        model=text_of(raw.get("model"), "model"),
        question=question_text(_last_user(raw.get("messages")), _CONTENT),
        stream=flag(raw.get("stream") or False, "stream"),
        usage=isinstance(options, Mapping) and options.get("include_usage") is True,
    )


def parse_embeddings(body: bytes) -> Embeddings:
    """Read the body of `POST /v1/embeddings`."""
    raw = json_object(body)
    encoding = raw.get("encoding_format") or "float"
    if encoding not in ("float", "base64"):
        raise Invalid("`encoding_format` must be float or base64")
    dimensions = raw.get("dimensions")
    if dimensions is not None and type(dimensions) is not int:
        raise Invalid("`dimensions` must be a whole number")
    return Embeddings(text_of(raw.get("model"), "model"), _texts(raw), encoding, dimensions)


def embeddings(asked: Embeddings, vectors: Vectors, tokens: int, model: str) -> dict[str, Any]:
    """Return the body of the response."""
    data = [
        {"object": "embedding", "index": index, "embedding": _encoded(row, asked.encoding)}
        for index, row in enumerate(vectors)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": model, "usage": usage}


def completion(head: Head, research: Mapping[str, Any], usage: Mapping[str, int]) -> dict[str, Any]:
    """Return a whole chat completion; `research` is the body of `POST /v1/research`, kept beside it."""
    message = {"role": "assistant", "content": research["answer"], "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    body = _head(head, "chat.completion") | {"choices": [choice], "usage": dict(usage)}
    return body | {"research": dict(research)}


def chunk(head: Head, delta: Mapping[str, str], finish: str | None = None) -> dict[str, Any]:
    """Return one part of a streamed completion."""
    choice = {"index": 0, "delta": dict(delta), "finish_reason": finish, "logprobs": None}
    return _head(head, "chat.completion.chunk") | {"choices": [choice]}


def usage_chunk(head: Head, usage: Mapping[str, int]) -> dict[str, Any]:
    """Return the part that a client asks for with `stream_options.include_usage`."""
    return _head(head, "chat.completion.chunk") | {"choices": [], "usage": dict(usage)}


def models(embedder: str) -> dict[str, Any]:
    """Return the body of `GET /v1/models`."""
    data = [
        {"id": name, "object": "model", "created": 0, "owned_by": "marketresearch"}
        for name in (CHAT_MODEL, MODEL, embedder)
    ]
    return {"object": "list", "data": data}


def _head(head: Head, kind: str) -> dict[str, Any]:
    return {"id": head.id, "object": kind, "created": head.created, "model": head.model}


def _last_user(messages: object) -> str:
    if not isinstance(messages, list) or not all(isinstance(one, Mapping) for one in messages):
        raise Invalid("`messages` must be a list of messages")
    asked = [one.get("content") for one in messages if one.get("role") == "user"]
    if not asked:
        raise Invalid("`messages` holds no message of the user")
    return _content(asked[-1])


def _content(content: object) -> str:
    """Return a message's text, which may come in parts."""
    if not isinstance(content, list):
        return text_of(content, _CONTENT)
    if not all(isinstance(part, Mapping) and part.get("type") == "text" for part in content):
        raise Invalid("`messages` may only hold text")
    return "\n".join(text_of(part.get("text"), _CONTENT) for part in content)


def _texts(raw: Mapping[str, Any]) -> tuple[str, ...]:
    value = raw.get("input")
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(one, str) and one for one in listed):
        raise Invalid("`input` must be a text that is not empty, or a list of such; not token ids")
    if len(listed) > MOST_TEXTS:
        raise Invalid(f"`input` has {len(listed)} texts, {MOST_TEXTS} are allowed")
    return tuple(text_of(one, "input") for one in listed)


def _encoded(row: Vectors, encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(row.astype("<f4").tobytes()).decode()
    return [float(number) for number in row]
