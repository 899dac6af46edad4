"""The ASGI app around a function: probes, errors as JSON, request ids, logs and metrics."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from functions.runtime import auth, coldstart, context, metrics, tracing
from functions.runtime.errors import ApiError, Unauthorized
from functions.runtime.function import Function
from functions.runtime.last_samples import farewell
from functions.runtime.lifecycle import Lifecycle
from functions.runtime.middleware import BODY_SECONDS, LimitRequest, ObserveRequests

log = logging.getLogger(__name__)
CODES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large"}


def build_app(
    function: Function[Any],
    environ: Mapping[str, str],
    settled: Callable[[], None] = metrics.serve,
) -> Starlette:
    """Return the app; its lifespan loads the resource, `app.state.lifecycle` tells how far it is.

    `settled` is called in a thread after the first attempt to load: what a start need not wait for.
    """
    lifecycle = Lifecycle(function.load, function.warm, environ)

    async def afterwards() -> None:
        await lifecycle.settled()
        await asyncio.to_thread(settled)

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        lifecycle.start()
        after = asyncio.create_task(afterwards())
        try:
            yield
        finally:
            after.cancel()
            await lifecycle.close()
            await asyncio.to_thread(farewell)

    app = Starlette(
        routes=[*_health_routes(lifecycle), *function.routes],
        middleware=_middleware(function, environ),
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            Exception: _unexpected,
        },
        lifespan=lifespan,
    )
    app.state.lifecycle = lifecycle
    return app


def _middleware(function: Function[Any], environ: Mapping[str, str]) -> list[Middleware]:
    gate, seconds = auth.gate(environ), float(environ.get("BODY_SECONDS") or BODY_SECONDS)
    return [
        Middleware(ObserveRequests),
        Middleware(LimitRequest, limit=function.max_body, refuse=_refusal, seconds=seconds),
        *([Middleware(auth.Authenticate, gate=gate, refuse=_refusal)] if gate else []),
    ]


def _refusal(scope: Scope, error: ApiError) -> Response:
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    if error.status == Unauthorized.status:
        headers["www-authenticate"] = "Bearer"
    if scope["path"].startswith("/v2"):  # the Open Inference Protocol has its own shape
        return JSONResponse({"error": error.message}, error.status, headers=headers)
    return JSONResponse(error_body(error.code, error.message), error.status, headers=headers)


def _health_routes(lifecycle: Lifecycle[Any]) -> list[Route]:
    async def live(_request: Request) -> Response:
        return JSONResponse({"status": "live"})

    async def ready(_request: Request) -> Response:
        body = {"status": lifecycle.phase, "reason": lifecycle.reason}
        if lifecycle.ready:
            tracing.readiness.tell(time.time())
        if lifecycle.ready and (start := coldstart.told_ready()):
            log.info("cold start", extra={"fields": start})
            tracing.close_start(coldstart.phases(), time.time_ns())
        return JSONResponse(body, 200 if lifecycle.ready else 503)

    async def health(_request: Request) -> Response:
        return JSONResponse({"status": lifecycle.phase, "reason": lifecycle.reason})

    return [
        Route("/health", health),
        Route("/health/live", live),
        Route("/health/ready", ready),
    ]


def error_body(code: str, message: str) -> dict[str, Any]:
    """Return the body that every error of ours has."""
    return {"error": {"code": code, "message": message, "request_id": context.request_id()}}


async def _api_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, ApiError)  # noqa: S101 - Starlette dispatches by this type
    return _refusal(request.scope, error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - Starlette dispatches by this type
    code = CODES.get(error.status_code, "error")
    if request.url.path.startswith("/v2"):
        return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)
    body = error_body(code, error.detail)
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _unexpected(_request: Request, error: Exception) -> Response:
    log.error("unexpected error", exc_info=error)
    return JSONResponse(error_body("internal", "an unexpected error; it is in the log"), 500)
