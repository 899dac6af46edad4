"""What a request names and carries: address, parameters, body. Everything here is refused early."""

import json
from dataclasses import dataclass
from typing import Any

import yaml
from starlette.requests import Request

from knative.local.api import protobuf
from knative.local.api.shape import Call
from knative.local.errors import BadRequest, NotFound, TooLarge, UnsupportedMedia
from knative.local.kinds import BY_PATH, Kind
from knative.local.store import Object

MAX_BODY = 3 << 20  # bytes, as in Kubernetes
MISSING = "the server could not find the requested resource"
PROTOBUF = "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True, slots=True)
class Target:
    """What an address names."""

    kind: Kind
    namespace: str | None
    name: str = ""
    sub: str = ""

    @property
    def everywhere(self) -> bool:
        """Say whether this is a list over all namespaces, which can only be read."""
        return self.kind.namespaced and self.namespace is None


def target(path: str) -> Target:
    """Return what a path names, or raise NotFound."""
    match path.strip("/").split("/"):
        case ["api", version, *rest] if rest:
            group = ""
        case ["apis", group, version, *rest] if rest:
            pass
        case _:
            raise NotFound(MISSING)
    match rest:
        case ["namespaces", namespace, plural, *names] if (group, plural) != ("", "status"):
            return _checked(BY_PATH.get((group, version, plural)), namespace, names)
        case [plural, *names]:
            return _checked(BY_PATH.get((group, version, plural)), None, names)
    raise NotFound(MISSING)


def _checked(kind: Kind | None, namespace: str | None, names: list[str]) -> Target:
    name, sub, *more = [*names, "", ""]
    if kind is None or any(more) or (namespace is not None) > kind.namespaced:
        raise NotFound(MISSING)
    known = {"": True, "status": kind.has_status, "log": kind.kind == "Pod"}
    if not known.get(sub) or (name and kind.namespaced and namespace is None):
        raise NotFound(MISSING)
    return Target(kind, namespace, name, sub)


def call(request: Request, named: Target) -> Call:
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
        named.kind,
        named.namespace or "",
        named.name,
        named.sub == "status",
        query.get("fieldManager") or agent,
        validation == "Strict",
        bool(dry_run),
        query.get("force") == "true",
    )


async def body(request: Request) -> Any:
    """Return the parsed body."""
    return _parsed(await _raw(request), media(request))


async def _raw(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise TooLarge(f"the body is over the limit of {MAX_BODY} bytes")
    return bytes(raw)


def _parsed(raw: bytes, kind: str) -> Any:
    if kind == PROTOBUF:
        return protobuf.decode(raw)
    if "json" not in kind and "yaml" not in kind:
        raise UnsupportedMedia(f"the media type {kind!r} is not supported: send JSON or YAML")
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
