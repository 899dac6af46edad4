"""`/v1/chat/completions`, `/v1/embeddings` and `/v1/models`: OpenAI's clients work unchanged."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from functions.inference import openai_schema as schema
from functions.inference.answer import parts
from functions.inference.embeddings import MODEL, count_tokens, embed, model_name
from functions.inference.reading import ASKED, counted, json_body
from functions.inference.research import Draft, Research
from functions.inference.schema import ResearchRequest
from functions.runtime.errors import Invalid, NotFound
from functions.runtime.function import loaded
from functions.runtime.model_metrics import INFERENCE_SECONDS


async def post_chat(request: Request) -> Response:
    """`POST /v1/chat/completions`."""
    asked = schema.parse_chat(await json_body(request))
    _check(asked.model, (schema.CHAT_MODEL,))
    research = loaded(request, Research)
    head = schema.Head(f"chatcmpl-{uuid.uuid4().hex}", int(time.time()))
    with INFERENCE_SECONDS.labels(model=ASKED).time():
        draft = await counted(research, ResearchRequest(asked.question))
        usage = _usage(research, asked, draft)
        if asked.stream:
            lines = _lines(head, draft, usage if asked.usage else None)
            return StreamingResponse(lines, media_type="text/event-stream")
        return JSONResponse(schema.completion(head, await research.finish(draft), usage))


async def post_embeddings(request: Request) -> Response:
    """`POST /v1/embeddings`."""
    asked = schema.parse_embeddings(await json_body(request))
    embedder = loaded(request, Research).embedder
    _check(asked.model, (MODEL, model_name(embedder)))
    if asked.dimensions not in (None, embedder.dimension):
        raise Invalid(f"`dimensions` must be {embedder.dimension}, those of this model")
    found = await asyncio.to_thread(embed, embedder, asked.texts)
    body = schema.embeddings(asked, found.vectors, found.tokens, model_name(embedder))
    return JSONResponse(body)


async def get_models(request: Request) -> Response:
    """`GET /v1/models`."""
    return JSONResponse(schema.models(model_name(loaded(request, Research).embedder)))


async def _lines(
    head: schema.Head, draft: Draft, usage: dict[str, int] | None
) -> AsyncIterator[str]:
    """Stream sentence by sentence; the contents, joined, are the answer."""
    yield _line(schema.chunk(head, {"role": "assistant", "content": ""}))
    for place, (text, _) in enumerate(parts(draft.answer)):
        yield _line(schema.chunk(head, {"content": f" {text}" if place else text}))
    yield _line(schema.chunk(head, {}, finish="stop"))
    if usage is not None:
        yield _line(schema.usage_chunk(head, usage))
    yield "data: [DONE]\n\n"


def _line(body: dict[str, Any]) -> str:
    return f"data: {json.dumps(body, ensure_ascii=False)}\n\n"


def _usage(research: Research, asked: schema.Chat, draft: Draft) -> dict[str, int]:
    prompt = count_tokens(research.embedder, asked.question)
    said = count_tokens(research.embedder, draft.answer.text)
    return {"prompt_tokens": prompt, "completion_tokens": said, "total_tokens": prompt + said}


def _check(model: str, served: tuple[str, ...]) -> None:
    if model not in served:
        raise NotFound(f"the model {model[:80]!r} does not exist; here is {served[-1]!r}")


ROUTES = (
    Route("/v1/chat/completions", post_chat, methods=["POST"]),
    Route("/v1/embeddings", post_embeddings, methods=["POST"]),
    Route("/v1/models", get_models),
)
