"""ner's routes: entities, the Open Inference Protocol, shadow, the description of them."""

import time
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from functions.ner import oip, openapi, schema
from functions.ner.decode import Entity
from functions.ner.service import Ner, load, warm
from functions.ner.shadow import HEADER
from functions.runtime.disconnect import while_connected
from functions.runtime.errors import ApiError, Unavailable, UnsupportedMediaType
from functions.runtime.function import Function, loaded
from functions.runtime.metrics import counter
from functions.runtime.model_metrics import INFERENCE_REQUESTS, INFERENCE_SECONDS
from functions.runtime.tensors import JSON_LENGTH

T = TypeVar("T")

ENTITIES = counter("ner_entities_extracted", "Entities found, by label", ("label",))
MEDIA_TYPES = ("application/json", "application/x-www-form-urlencoded")
"""The second is what `curl -d` says of whatever it is given; the body is JSON all the same."""
MAX_BODY = 2 << 20
"""Bytes of JSON: the texts' own limit is a setting, and escapes make them longer."""


async def entities(request: Request) -> Response:
    """POST /v1/entities."""
    ner = loaded(request, Ner)
    texts = schema.texts(await _json_body(request), ner.settings)
    found = await _find(request, ner, texts)
    if HEADER not in request.headers:
        ner.shadow.remember(texts, found)
    return JSONResponse(schema.response(found, ner.model))


async def shadow(request: Request) -> Response:
    """POST /v1/shadow: how a candidate answers what was asked of us."""
    from functions.ner.replay import replay  # noqa: PLC0415 - no part of a cold start

    ner = loaded(request, Ner)
    address, most = schema.shadow(await _json_body(request))
    comparison = await replay(ner.shadow, ner.shadow.address(address), most)
    return JSONResponse(comparison.to_json())


async def infer(request: Request) -> Response:
    """POST /v2/models/ner[/versions/…]/infer."""
    ner = _named(request)
    length = request.headers.get(JSON_LENGTH)
    body = await (request.body() if length else _json_body(request))
    asked = oip.request(body, length, ner)
    if asked.output == oip.CLASS_IDS:
        numbers = await _counted(request, ner, ner.classes(asked.texts))
        tensor = oip.classes_tensor(numbers, ner.outside)
    else:
        tensor = oip.entities_tensor(await _find(request, ner, asked.texts))
    headers, answer = oip.response(ner, asked, tensor)
    return Response(answer, headers=headers)


async def model_metadata(request: Request) -> Response:
    """GET /v2/models/ner[/versions/…]."""
    return JSONResponse(oip.metadata(_named(request)))


async def model_ready(request: Request) -> Response:
    """GET /v2/models/ner[/versions/…]/ready."""
    _named(request)
    return JSONResponse({"name": oip.MODEL, "ready": True})


async def server(_request: Request) -> Response:
    """GET /v2."""
    return JSONResponse(oip.SERVER)


async def server_live(_request: Request) -> Response:
    """GET /v2/health/live."""
    return JSONResponse({"live": True})


async def server_ready(request: Request) -> Response:
    """GET /v2/health/ready."""
    try:
        loaded(request, Ner)
    except Unavailable:
        return JSONResponse({"ready": False}, 503)
    return JSONResponse({"ready": True})


async def description(_request: Request) -> Response:
    """GET /openapi.json."""
    return JSONResponse(openapi.document())


def _named(request: Request) -> Ner:
    ner = loaded(request, Ner)
    oip.check_model(ner, request.path_params["model"], request.path_params.get("version"))
    return ner


async def _json_body(request: Request) -> bytes:
    kind = request.headers.get("content-type", MEDIA_TYPES[0]).partition(";")[0].strip()
    if kind.lower() not in MEDIA_TYPES:
        raise UnsupportedMediaType("send application/json")
    return await request.body()


async def _find(request: Request, ner: Ner, texts: Sequence[str]) -> list[list[Entity]]:
    """Ask for entities and count them."""
    found = await _counted(request, ner, ner.find(texts))
    for one in (one for entities in found for one in entities):
        ENTITIES.labels(label=one.label).inc()
    return found


async def _counted(request: Request, ner: Ner, work: Coroutine[Any, Any, T]) -> T:
    """Ask the model while the client is there, and count how it ended."""
    started, result = time.monotonic(), "error"
    try:
        found = await while_connected(request, work)
        result = "ok"
    except ApiError as error:
        result = error.code
        raise
    finally:
        INFERENCE_REQUESTS.labels(model=ner.model, result=result).inc()
        INFERENCE_SECONDS.labels(model=ner.model).observe(time.monotonic() - started)
    return found


def _model_routes() -> list[Route]:
    routes = []
    for model in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        routes += [
            Route(model, model_metadata),
            Route(f"{model}/ready", model_ready),
            Route(f"{model}/infer", infer, methods=["POST"]),
        ]
    return routes


function = Function(
    name="ner",
    load=load,
    routes=[
        Route("/v1/entities", entities, methods=["POST"]),
        Route("/v1/shadow", shadow, methods=["POST"]),
        Route("/openapi.json", description),
        Route("/v2", server),
        Route("/v2/health/live", server_live),
        Route("/v2/health/ready", server_ready),
        *_model_routes(),
    ],
    warm=warm,
    max_body=MAX_BODY,
)
