"""The Kubernetes API over HTTP: addresses to verbs, errors to `Status`.

Every request but health and version needs the bearer token. What the tables of kinds.py do not
name is a 404 in Kubernetes' own words, never a silent yes.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from knative.local.api import discovery, reading, requests, streams
from knative.local.api.objects import Objects
from knative.local.api.shape import Call
from knative.local.errors import ApiFailure, MethodNotAllowed, Unauthorized
from knative.local.store import Object, Store

_OPEN = ("/healthz", "/livez", "/readyz", "/version")


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
        target = requests.target(request.url.path)
        verbs: Mapping[str, Callable[[Request, requests.Target], Awaitable[Response]]]
        if target.sub == "log":
            verbs = {"GET": self._log}
        elif target.name:
            verbs = {"GET": self._get, "PUT": self._put, "PATCH": self._patch}
            verbs = verbs if target.sub else {**verbs, "DELETE": self._delete}
        elif target.everywhere:
            verbs = {"GET": self._list}
        else:
            verbs = {"GET": self._list, "POST": self._post, "DELETE": self._delete_all}
        verb = verbs.get(request.method)
        if verb is None:
            raise MethodNotAllowed(
                "the server does not allow this method on the requested resource"
            )
        return await verb(request, target)

    async def _get(self, request: Request, target: requests.Target) -> Response:
        obj = self.store.get(target.kind.kind, target.namespace or "", target.name)
        show = reading.renderer(target.kind, request, self.clock())
        return JSONResponse(show([obj], {}) if show else obj)

    async def _list(self, request: Request, target: requests.Target) -> Response:
        if request.query_params.get("watch") in ("1", "true"):
            return self._watch(request, target)
        page = reading.page(self.store, target.kind, target.namespace, request.query_params)
        show = reading.renderer(target.kind, request, self.clock())
        if show:
            return JSONResponse(show(page.items, page.meta))
        kind = f"{target.kind.kind}List"
        body = {"kind": kind, "apiVersion": target.kind.api_version, "metadata": page.meta}
        return JSONResponse(body | {"items": page.items})

    def _watch(self, request: Request, target: requests.Target) -> Response:
        show = reading.renderer(target.kind, request, self.clock())
        wanted = reading.watch(target.kind, target.namespace, request.query_params, show)
        lines = streams.watch(self.store, wanted)
        return StreamingResponse(lines, media_type="application/json")

    async def _post(self, request: Request, target: requests.Target) -> Response:
        call = requests.call(request, target)
        obj = self._objects().create(call, await requests.body(request))
        return _answer(call, obj, 201)

    async def _put(self, request: Request, target: requests.Target) -> Response:
        call = requests.call(request, target)
        return _answer(call, self._objects().update(call, await requests.body(request)))

    async def _patch(self, request: Request, target: requests.Target) -> Response:
        call = requests.call(request, target)
        body = await requests.body(request)
        obj, created = self._objects().patch(call, body, requests.media(request))
        return _answer(call, obj, 201 if created else 200)

    async def _delete(self, request: Request, target: requests.Target) -> Response:
        call = requests.call(request, target)
        gone = self._objects().delete(call, await requests.options(request))
        details = {"name": call.name, "group": call.kind.group, "kind": call.kind.plural}
        return _success({**details, "uid": gone["metadata"]["uid"]})

    async def _delete_all(self, request: Request, target: requests.Target) -> Response:
        options = await requests.options(request)
        call = requests.call(request, target)
        page = reading.page(self.store, target.kind, target.namespace, request.query_params)
        for obj in page.items:
            meta = obj["metadata"]
            each = Call(call.kind, meta.get("namespace", ""), meta["name"], dry_run=call.dry_run)
            self._objects().delete(each, options)
        return _success({"group": call.kind.group, "kind": call.kind.plural})

    async def _log(self, request: Request, target: requests.Target) -> Response:
        namespace = target.namespace or ""
        self.store.get("Pod", namespace, target.name)
        path = self.logs / f"{target.name}.log"
        tail, following = reading.log_options(request.query_params)
        start = streams.last_lines(path, tail)

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


def _answer(call: Call, obj: Object, code: int = 200) -> Response:
    response = JSONResponse(obj, status_code=code)
    for text in call.warnings:
        quoted = text.replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{quoted}"')
    return response


def _success(details: Object) -> Response:
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return JSONResponse({**head, "details": details})
