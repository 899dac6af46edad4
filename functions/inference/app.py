"""`inference`: `POST /v1/research`, whole or as server-sent events, and its OpenAPI document."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from functions.index.embedder import open_embedder
from functions.index.store import IndexStore
from functions.inference.answerers import Answerer, Extractive
from functions.inference.entities import Ner
from functions.inference.generate import Generative
from functions.inference.openapi import document
from functions.inference.research import Draft, Research
from functions.inference.retrieve import Index
from functions.inference.schema import parse_research
from functions.inference.settings import Settings
from functions.registry.cache import ModelCache
from functions.registry.errors import ReleaseMissing
from functions.runtime import coldstart
from functions.runtime.errors import Unavailable, UnsupportedMediaType
from functions.runtime.function import Function, loaded
from functions.runtime.metrics import counter, histogram

MAX_BODY = 64 << 10
MEDIA_TYPES = ("application/json", "application/x-www-form-urlencoded")
"""The second is what `curl -d` says of whatever it is given; the body is JSON all the same."""
JUST_STARTED = 5.0
"""Seconds after it became ready in which a process says, with its answers, how it started."""
REQUESTS = counter("inference_requests", "Research questions by outcome", ("outcome",))
LATENCY = histogram("inference_latency_seconds", "Seconds from question to answer")


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[Research]:
    """Open the embedder and the index, while `ner` is woken if there will be something to answer.

    A process without a model or an index tries again and again; it must not keep `ner` from sleep.
    """
    settings = Settings.from_env(environ)
    store = IndexStore(settings.index_dir)
    ner = Ner(settings.ner_url, settings.ner_timeout)
    try:
        if store.current(settings.model_digest):
            ner.wake()
        research = await asyncio.to_thread(_open, settings, store, ner)
        try:
            yield research
        finally:
            research.index.close()
            for answerer in research.answerers:
                await answerer.close()
    finally:
        await ner.close()


def _open(settings: Settings, store: IndexStore, ner: Ner) -> Research:
    if not settings.model_digest:
        raise Unavailable("no model is configured yet")
    try:
        release = ModelCache(settings.model_cache_dir).release(settings.model_digest)
    except ReleaseMissing as error:
        raise Unavailable(str(error)) from error
    version = str(release.manifest.version)
    embedder = open_embedder(release.path, release.digest, version, settings.threads)
    index = Index(store, release.digest, settings.search)
    return Research(embedder, index, ner, _answerers(settings), settings.index_wait)


def _answerers(settings: Settings) -> tuple[Answerer, ...]:
    if settings.openai is None:
        return (Extractive(),)
    return Generative(settings.openai), Extractive()


async def warm(research: Research) -> None:
    """Answer a question. A new embedder gets no traffic before its index is there."""
    await research.warm()


async def post_research(request: Request) -> Response:
    """`POST /v1/research`."""
    _check_media_type(request)
    asked = parse_research(await request.body())
    research = loaded(request, Research)
    with LATENCY.labels().time():
        draft = await research.draft(asked)
        REQUESTS.labels(outcome="answered" if draft.answer.supported else "unsupported").inc()
        if asked.stream:
            return StreamingResponse(_events(research, draft), media_type="text/event-stream")
        return JSONResponse(_timed(await research.finish(draft)))


def _check_media_type(request: Request) -> None:
    media = request.headers.get("content-type", MEDIA_TYPES[0]).partition(";")[0].strip()
    if media.lower() not in MEDIA_TYPES:
        raise UnsupportedMediaType("send the question as application/json")


async def _events(research: Research, draft: Draft) -> AsyncIterator[str]:
    async for name, data in research.stream(draft):
        body = _timed(data) if name == "done" else data
        yield f"event: {name}\ndata: {json.dumps(body, ensure_ascii=False)}\n\n"


def _timed(body: dict[str, Any]) -> dict[str, Any]:
    phases = coldstart.phases()
    if coldstart.process_age() - sum(phases.values()) > JUST_STARTED:
        return body
    return body | {"timings": body["timings"] | {"cold_start": phases}}


async def get_openapi(_request: Request) -> Response:
    """`GET /openapi.json`."""
    return JSONResponse(document())


function = Function(
    name="inference",
    load=load,
    routes=[
        Route("/v1/research", post_research, methods=["POST"]),
        Route("/openapi.json", get_openapi),
    ],
    warm=warm,
    max_body=MAX_BODY,
)
