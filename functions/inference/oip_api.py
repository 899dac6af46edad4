"""`/v2/…`: embeddings by the Open Inference Protocol, for KServe's and Triton's clients."""

import asyncio

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from functions.index.embedder import Embedder
from functions.inference import oip
from functions.inference.embeddings import MODEL, embed
from functions.inference.research import Research
from functions.runtime.errors import Unavailable
from functions.runtime.function import loaded
from functions.runtime.tensors import JSON_LENGTH


async def server(_request: Request) -> Response:
    """`GET /v2`."""
    return JSONResponse(oip.SERVER)


async def live(_request: Request) -> Response:
    """`GET /v2/health/live`."""
    return JSONResponse({"live": True})


async def ready(request: Request) -> Response:
    """`GET /v2/health/ready`."""
    try:
        loaded(request, Research)
    except Unavailable:
        return JSONResponse({"ready": False}, 503)
    return JSONResponse({"ready": True})


async def model(request: Request) -> Response:
    """`GET /v2/models/embedder[/versions/…]`."""
    embedder = _named(request)
    described = oip.metadata(embedder.version, embedder.encoder.name, embedder.dimension)
    return JSONResponse(described)


async def model_ready(request: Request) -> Response:
    """`GET /v2/models/embedder[/versions/…]/ready`."""
    _named(request)
    return JSONResponse({"name": MODEL, "ready": True})


async def infer(request: Request) -> Response:
    """`POST /v2/models/embedder[/versions/…]/infer`."""
    embedder = _named(request)
    asked = oip.parse(await request.body(), request.headers.get(JSON_LENGTH))
    found = await asyncio.to_thread(embed, embedder, asked.texts)
    headers, body = oip.response(asked, found.vectors, embedder.version)
    return Response(body, headers=headers)


def _named(request: Request) -> Embedder:
    embedder = loaded(request, Research).embedder
    params = request.path_params
    oip.check_model(params["model"], params.get("version"), embedder.version)
    return embedder


ROUTES = (
    Route("/v2", server),
    Route("/v2/health/live", live),
    Route("/v2/health/ready", ready),
    *(
        route
        for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
        for route in (
            Route(path, model),
            Route(f"{path}/ready", model_ready),
            Route(f"{path}/infer", infer, methods=["POST"]),
        )
    ),
)
