"""`inference`: `POST /v1/research`, whole or as server-sent events, and what else it is asked by."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from functions.index.embedder import open_embedder
from functions.index.homes import home
from functions.index.metrics import tell_size
from functions.index.store import IndexStore
from functions.inference import oip_api, openai_api
from functions.inference.answerers import Answerer, Extractive
from functions.inference.entities import Ner
from functions.inference.generate import Generative
from functions.inference.openapi import document
from functions.inference.own_model import OwnModel
from functions.inference.reading import ASKED, counted, json_body
from functions.inference.research import Draft, Research
from functions.inference.retrieve import Index
from functions.inference.schema import parse_research
from functions.inference.settings import Settings
from functions.registry.cache import ModelCache
from functions.registry.errors import ReleaseMissing
from functions.runtime import coldstart
from functions.runtime.errors import Unavailable
from functions.runtime.function import Function, loaded
from functions.runtime.model_metrics import INFERENCE_SECONDS

MAX_BODY = 1 << 20
"""Bytes: 256 texts to embed, with room."""
JUST_STARTED = 5.0
"""Seconds after it became ready in which a process says, with its answers, how it started."""


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[Research]:
    """Open the embedder and the index, while `ner` is woken if there will be something to answer.

    A process without a model or an index tries again and again; it must not keep `ner` from sleep.
    """
    settings = Settings.from_env(environ)
    store = IndexStore(settings.index_dir, home(settings.chroma_url))
    tell_size(lambda: store.size(settings.model_digest))
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
    chosen: list[Answerer] = []
    if settings.own is not None:
        chosen.append(OwnModel(settings.own, settings.model_cache_dir))
    if settings.openai is not None:
        chosen.append(Generative(settings.openai))
    return (*chosen, Extractive())


async def warm(research: Research) -> None:
    """Answer a question. A new embedder gets no traffic before its index is there."""
    await research.warm()


async def post_research(request: Request) -> Response:
    """`POST /v1/research`."""
    asked = parse_research(await json_body(request))
    research = loaded(request, Research)
    with INFERENCE_SECONDS.labels(model=ASKED).time():
        draft = await counted(research, asked)
        if asked.stream:
            return StreamingResponse(_events(research, draft), media_type="text/event-stream")
        return JSONResponse(_timed(await research.finish(draft)))


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
        *openai_api.ROUTES,
        *oip_api.ROUTES,
    ],
    warm=warm,
    max_body=MAX_BODY,
)
