"""What a request carries: parameters and body. Everything here is refused early."""

import json
from typing import Any

import yaml
from starlette.requests import Request

from knative.local.api import protobuf
from knative.local.api.shape import Call
from knative.local.errors import BadRequest, RequestEntityTooLarge, UnsupportedMediaType
from knative.local.kinds import Kind
from knative.local.store import Object

MAX_BODY = 3 << 20  # bytes, as in Kubernetes
PROTOBUF = "application/vnd.kubernetes.protobuf"


def call(kind: Kind, request: Request, *, status: bool = False) -> Call:
    """Return the write that a request asks for."""
    query = request.query_params
    validation = query.get("fieldValidation", "Warn")
    if validation not in ("Strict", "Warn", "Ignore"):
        raise BadRequest(f"fieldValidation: {validation!r} is not one of Strict, Warn, Ignore")
    dry_run = query.getlist("dryRun")
    if dry_run not in ([], ["All"]):
        raise BadRequest(f"dryRun: {dry_run} is not All")
    agent = request.headers.get("user-agent", "unknown").split("/")[0]
    return Call(
        kind,
        request.path_params.get("namespace", ""),
        request.path_params.get("name", ""),
        status=status,
        manager=query.get("fieldManager") or agent,
        strict=validation == "Strict",
        dry_run=bool(dry_run),
        force=query.get("force") == "true",
    )


async def body(request: Request) -> Any:
    """Return the parsed body."""
    return _parsed(await _raw(request), media(request))


async def _raw(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise RequestEntityTooLarge(f"the body is over the limit of {MAX_BODY} bytes")
    return bytes(raw)


def _parsed(raw: bytes, kind: str) -> Any:
    if kind == PROTOBUF:
        return protobuf.decode(raw)
    if "json" not in kind and "yaml" not in kind:
        raise UnsupportedMediaType(f"the media type {kind!r} is not supported: send JSON or YAML")
    try:
        parsed = yaml.safe_load(raw) if "yaml" in kind else json.loads(raw)
        # YAML knows dates, number keys and shared parts, JSON a NaN: objects are plain JSON.
        return json.loads(json.dumps(parsed, default=str, allow_nan=False))
    except (ValueError, TypeError, yaml.YAMLError, RecursionError) as error:
        raise BadRequest(f"the body cannot be read: {error}") from error


def media(request: Request) -> str:
    """Return the content type; JSON when none is given."""
    return request.headers.get("content-type", "application/json").split(";")[0].strip()


async def options(request: Request) -> Object:
    """Return DeleteOptions, which may come as a body, as parameters, or not at all."""
    raw = await _raw(request)
    given = _parsed(raw, media(request)) if raw else {}
    if not isinstance(given, dict):
        raise BadRequest("DeleteOptions are a JSON object")
    policy = request.query_params.get("propagationPolicy")
    return {**given, "propagationPolicy": policy} if policy else given
