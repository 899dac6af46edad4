"""The Kubernetes API over HTTP: addresses to verbs, errors to `Status`.

Every request but health and version needs the bearer token. What the tables of kinds.py do not
name is a 404 in Kubernetes' own words, never a silent yes.
"""

import json
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from knative.local.api import discovery, protobuf, reading, streams
from knative.local.api.objects import Call, Objects
from knative.local.errors import (
    ApiFailure,
    BadRequest,
    MethodNotAllowed,
    NotFound,
    TooLarge,
    Unauthorized,
    UnsupportedMedia,
)
from knative.local.kinds import BY_PATH, Kind
from knative.local.store import Object, Store

MAX_BODY = 3 << 20  # bytes, as in Kubernetes
MISSING = "the server could not find the requested resource"
_OPEN = ("/healthz", "/livez", "/readyz", "/version")


@dataclass(frozen=True, slots=True)
class Target:
    """What an address names."""

    kind: Kind
    namespace: str | None
    name: str = ""
    sub: str = ""


@dataclass(frozen=True, slots=True)
class Api:
    """The handlers, and what they need."""

    store: Store
    token: str
    logs: Path
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    async def handle(self, request: Request) -> Response:
        """Answer one request."""
        try:
            if request.url.path in _OPEN:
                return _health(request.url.path)
            _authenticate(request, self.token)
            if request.url.path == "/openapi/v2":
                return Response(discovery.openapi_v2(), media_type=discovery.OPENAPI_V2)
            document = _document(request.url.path.rstrip("/"))
            if document is not None:
                return JSONResponse(document)
            return await self._resource(request)
        except ApiFailure as failure:
            return JSONResponse(failure.status(), status_code=failure.code)

    async def _resource(self, request: Request) -> Response:
        target = _target(request.url.path)
        verbs: Mapping[str, Callable[[Request, Target], Awaitable[Response]]]
        if target.sub == "log":
            verbs = {"GET": self._log}
        elif target.name:
            verbs = {"GET": self._get, "PUT": self._put, "PATCH": self._patch}
            verbs = verbs if target.sub else {**verbs, "DELETE": self._delete}
        else:
            verbs = {"GET": self._list, "POST": self._post, "DELETE": self._delete_all}
        verb = verbs.get(request.method)
        if verb is None:
            raise MethodNotAllowed(
                "the server does not allow this method on the requested resource"
            )
        return await verb(request, target)

    async def _get(self, request: Request, target: Target) -> Response:
        obj = self.store.get(target.kind.kind, target.namespace or "", target.name)
        show = reading.renderer(target.kind, request, self.clock())
        return JSONResponse(show([obj], {}) if show else obj)

    async def _list(self, request: Request, target: Target) -> Response:
        if request.query_params.get("watch") in ("1", "true"):
            return self._watch(request, target)
        page = reading.page(self.store, target.kind, target.namespace, request.query_params)
        show = reading.renderer(target.kind, request, self.clock())
        if show:
            return JSONResponse(show(page.items, page.meta))
        kind = f"{target.kind.kind}List"
        body = {"kind": kind, "apiVersion": target.kind.api_version, "metadata": page.meta}
        return JSONResponse(body | {"items": page.items})

    def _watch(self, request: Request, target: Target) -> Response:
        show = reading.renderer(target.kind, request, self.clock())
        wanted = reading.watch(target.kind, target.namespace, request.query_params, show)
        lines = streams.watch(self.store, wanted)
        return StreamingResponse(lines, media_type="application/json")

    async def _post(self, request: Request, target: Target) -> Response:
        call = _call(request, target)
        obj = self._objects().create(call, await _body(request))
        return _answer(call, obj, 201)

    async def _put(self, request: Request, target: Target) -> Response:
        call = _call(request, target)
        return _answer(call, self._objects().update(call, await _body(request)))

    async def _patch(self, request: Request, target: Target) -> Response:
        call = _call(request, target)
        body = await _body(request)
        obj, created = self._objects().patch(call, body, _media(request))
        return _answer(call, obj, 201 if created else 200)

    async def _delete(self, request: Request, target: Target) -> Response:
        call = _call(request, target)
        gone = self._objects().delete(call, await _options(request))
        details = {"name": call.name, "group": call.kind.group, "kind": call.kind.plural}
        return _success({**details, "uid": gone["metadata"]["uid"]})

    async def _delete_all(self, request: Request, target: Target) -> Response:
        options = await _options(request)
        call = _call(request, target)
        page = reading.page(self.store, target.kind, target.namespace, request.query_params)
        for obj in page.items:
            meta = obj["metadata"]
            each = Call(call.kind, meta.get("namespace", ""), meta["name"], dry_run=call.dry_run)
            self._objects().delete(each, options)
        return _success({"group": call.kind.group, "kind": call.kind.plural})

    async def _log(self, request: Request, target: Target) -> Response:
        namespace = target.namespace or ""
        self.store.get("Pod", namespace, target.name)
        path = self.logs / f"{target.name}.log"
        tail = request.query_params.get("tailLines")
        start = streams.last_lines(
            path, None if tail is None else reading.number(tail, "tailLines")
        )
        following = request.query_params.get("follow") in ("1", "true")

        def alive() -> bool:
            return following and streams.running(self.store, namespace, target.name)

        return StreamingResponse(streams.follow(path, start, alive), media_type="text/plain")

    def _objects(self) -> Objects:
        return Objects(self.store, self.clock)


def build(api: Api) -> Starlette:
    """Return the ASGI app."""
    methods = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    routes = [Route("/{path:path}", api.handle, methods=methods)]
    return Starlette(routes=routes, exception_handlers={HTTPException: _http_error, 500: _crash})


async def _http_error(_request: Request, error: Exception) -> Response:
    failure = MethodNotAllowed(str(error))
    return JSONResponse(failure.status(), status_code=failure.code)


async def _crash(_request: Request, _error: Exception) -> Response:
    failure = ApiFailure("an internal error; the platform's log has it")
    return JSONResponse(failure.status(), status_code=failure.code)


def _health(path: str) -> Response:
    return JSONResponse(discovery.VERSION) if path == "/version" else PlainTextResponse("ok")


def _authenticate(request: Request, token: str) -> None:
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not secrets.compare_digest(given.encode(), token.encode()):
        raise Unauthorized("Unauthorized")


def _document(path: str) -> Any:
    """Return a discovery or OpenAPI document, None when the address names no such thing."""
    match path.strip("/").split("/"):
        case ["openapi", "v3", *prefix]:
            return discovery.openapi("/".join(prefix)) if prefix else discovery.openapi_root()
        case ["api"]:
            return discovery.api_versions()
        case ["apis"]:
            return discovery.group_list()
        case ["api", *version] | ["apis", *version] if len(version) <= 2:  # noqa: PLR2004 - g/v
            return discovery.resource_list("/".join(version)) or discovery.group(version[0])
    return None


def _target(path: str) -> Target:
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


def _call(request: Request, target: Target) -> Call:
    query = request.query_params
    validation = query.get("fieldValidation", "Warn")
    if validation not in ("Strict", "Warn", "Ignore"):
        raise BadRequest(f"fieldValidation: {validation!r} is not one of Strict, Warn, Ignore")
    agent = request.headers.get("user-agent", "unknown").split("/")[0]
    return Call(
        target.kind,
        target.namespace or "",
        target.name,
        target.sub == "status",
        query.get("fieldManager") or agent,
        validation == "Strict",
        query.get("dryRun") == "All",
        query.get("force") == "true",
    )


async def _body(request: Request) -> Any:
    return _parsed(await _raw(request), _media(request))


async def _raw(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise TooLarge(f"the body is over the limit of {MAX_BODY} bytes")
    return bytes(raw)


def _parsed(raw: bytes, media: str) -> Any:
    if media == "application/vnd.kubernetes.protobuf":
        return protobuf.decode(raw)
    if "json" not in media and "yaml" not in media:
        raise UnsupportedMedia(f"the media type {media!r} is not supported: send JSON or YAML")
    try:
        return yaml.safe_load(raw) if "yaml" in media else json.loads(raw)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise BadRequest(f"the body cannot be read: {error}") from error


def _media(request: Request) -> str:
    return request.headers.get("content-type", "application/json").split(";")[0].strip()


async def _options(request: Request) -> Object:
    """Return DeleteOptions, which may come as a body, as parameters, or not at all."""
    raw = await _raw(request)
    given = _parsed(raw, _media(request)) if raw else {}
    if not isinstance(given, dict):
        raise BadRequest("DeleteOptions are a JSON object")
    policy = request.query_params.get("propagationPolicy")
    return {**given, "propagationPolicy": policy} if policy else given


def _answer(call: Call, obj: Object, code: int = 200) -> Response:
    response = JSONResponse(obj, status_code=code)
    for text in call.warnings:
        quoted = text.replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{quoted}"')
    return response


def _success(details: Object) -> Response:
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return JSONResponse({**head, "details": details})
