"""The Kubernetes API over HTTP: addresses to verbs, errors to `Status`.

Every request but health and version needs the bearer token. What the table of kinds does not name
is a 404 in Kubernetes' own words, never a silent yes.
"""

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.authentication import AuthenticationBackend, AuthenticationError
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from knative.local.api import discovery, reading, requests, streams
from knative.local.api.objects import Objects
from knative.local.api.shape import Call
from knative.local.errors import ApiFailure, InternalError, MethodNotAllowed, NotFound, Unauthorized
from knative.local.kinds import KINDS, Kind
from knative.local.store import Object

HEALTH = ("/healthz", "/livez", "/readyz")
Verb = Callable[..., Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Api:
    """The verbs, and what they need."""

    objects: Objects
    logs: Path

    def routes(self, kind: Kind) -> list[Route]:
        """Return what can be done with a kind, and where."""
        place = "namespaces/{namespace}/" if kind.namespaced else ""
        every = f"/{kind.prefix}/{place}{kind.plural}"
        one = f"{every}/{{name}}"
        verbs: dict[str, dict[str, Verb]] = {
            every: {"GET": self.list, "POST": self.create, "DELETE": self.delete_all},
            one: {"GET": self.get, "DELETE": self.delete, "PUT": self.update, "PATCH": self.patch},
        }
        if kind.namespaced:
            verbs[f"/{kind.prefix}/{kind.plural}"] = {"GET": self.list}
        if kind.has_status:
            writes = {"PUT": self.update, "PATCH": self.patch}
            status = {method: partial(verb, status=True) for method, verb in writes.items()}
            verbs[f"{one}/status"] = {"GET": self.get, **status}
        if kind.kind == "Pod":
            verbs[f"{one}/log"] = {"GET": self.log}
        return [
            Route(path, partial(verb, kind), methods=[method])
            for path, methods in verbs.items()
            for method, verb in methods.items()
        ]

    async def get(self, kind: Kind, request: Request) -> Response:
        """Answer with one object."""
        path = request.path_params
        obj = self.objects.store.get(kind.kind, path.get("namespace", ""), path["name"])
        return JSONResponse(reading.renderer(kind, request, self.objects.clock)(obj))

    async def list(self, kind: Kind, request: Request) -> Response:
        """Answer with the objects that are wanted, or with what happens to them from now on."""
        namespace, query = request.path_params.get("namespace"), request.query_params
        if query.get("watch") in ("1", "true"):
            render = reading.renderer(kind, request, self.objects.clock)
            wanted = reading.watch(kind, namespace, query, render)
            lines = streams.watch(self.objects.store, wanted)
            return streams.Stream(lines, media_type="application/json")
        page = reading.page(self.objects.store, kind, namespace, query)
        return JSONResponse(reading.listing(kind, page, request, self.objects.clock()))

    async def create(self, kind: Kind, request: Request) -> Response:
        """Store a new object."""
        call = requests.call(kind, request)
        return _answer(call, self.objects.create(call, await requests.body(request)), 201)

    async def update(self, kind: Kind, request: Request, *, status: bool = False) -> Response:
        """Replace an object, or its status."""
        call = requests.call(kind, request, status=status)
        return _answer(call, self.objects.update(call, await requests.body(request)))

    async def patch(self, kind: Kind, request: Request, *, status: bool = False) -> Response:
        """Change a part of an object, or of its status."""
        call = requests.call(kind, request, status=status)
        body = await requests.body(request)
        obj, created = self.objects.patch(call, body, requests.media(request))
        return _answer(call, obj, 201 if created else 200)

    async def delete(self, kind: Kind, request: Request) -> Response:
        """Delete an object and what it owns."""
        call = requests.call(kind, request)
        gone = self.objects.delete(call, await requests.options(request))
        return _success({**kind.details(call.name), "uid": gone["metadata"]["uid"]})

    async def delete_all(self, kind: Kind, request: Request) -> Response:
        """Delete every object that the selectors choose."""
        options = await requests.options(request)
        call = requests.call(kind, request)
        store, query = self.objects.store, request.query_params
        for obj in reading.page(store, kind, call.namespace, query).items:
            self.objects.delete(replace(call, name=obj["metadata"]["name"]), options)
        return _success({"group": kind.group, "kind": kind.plural})

    async def log(self, _kind: Kind, request: Request) -> Response:
        """Answer with what a Pod has written, and, when followed, with what it will."""
        namespace, name = request.path_params["namespace"], request.path_params["name"]
        self.objects.store.get("Pod", namespace, name)
        path = self.logs / f"{name}.log"
        tail, following = reading.log_options(request.query_params)
        start = streams.last_lines(path, tail)

        def alive() -> bool:
            return following and streams.running(self.objects.store, namespace, name)

        return streams.Stream(streams.follow(path, start, alive), media_type="text/plain")


def build(api: Api, token: str) -> Starlette:
    """Return the ASGI app."""
    documents = [*discovery.documents()]
    routes = [Route(path, JSONResponse(said), methods=["GET"]) for path, said in documents]
    routes += [Route(path, PlainTextResponse("ok"), methods=["GET"]) for path in HEALTH]
    routes.append(Route("/openapi/v2", Response(media_type=discovery.OPENAPI_V2), methods=["GET"]))
    routes += [route for kind in KINDS for route in api.routes(kind)]
    guard = Middleware(AuthenticationMiddleware, backend=_Token(token), on_error=_unauthorized)
    handlers = {
        ApiFailure: _refused,
        404: _always(NotFound("the server could not find the requested resource")),
        405: _always(MethodNotAllowed("the server does not allow this method on the resource")),
        500: _always(InternalError("an internal error; the platform's log has it")),
    }
    return Starlette(routes=routes, middleware=[guard], exception_handlers=handlers)


class _Token(AuthenticationBackend):
    """Who knows the token may do everything."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    async def authenticate(self, conn: HTTPConnection) -> None:
        given = conn.headers.get("authorization", "").removeprefix("Bearer ").encode()
        is_open = conn.url.path in (*HEALTH, "/version")
        if not is_open and not secrets.compare_digest(given, self._token):
            raise AuthenticationError("Unauthorized")


def _unauthorized(_conn: HTTPConnection, error: AuthenticationError) -> Response:
    return _status(Unauthorized(str(error)))


async def _refused(_request: Request, failure: Any) -> Response:
    return _status(failure)


def _always(failure: ApiFailure) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(_request: Request, _error: Exception) -> Response:
        return _status(failure)

    return answer


def _status(failure: ApiFailure) -> Response:
    return JSONResponse(failure.status(), status_code=failure.code)


def _answer(call: Call, obj: Object, code: int = 200) -> Response:
    response = JSONResponse(obj, status_code=code)
    for text in call.warnings:
        quoted = text.replace('"', '\\"')
        response.headers.append("Warning", f'299 - "{quoted}"')
    return response


def _success(details: dict[str, Any]) -> Response:
    head = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    return JSONResponse({**head, "details": details})
