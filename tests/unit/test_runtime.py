"""The runtime around every function: lifecycle, probes, errors, limits, event replies."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eventing.cloudevent import CloudEvent, from_http, wrap
from eventing.events import IndexRebuildRequested
from functions.runtime import context, logs
from functions.runtime.app import build_app
from functions.runtime.errors import QueueFull, Unavailable
from functions.runtime.function import Function, event_route, loaded, no_warmup
from functions.runtime.lifecycle import Lifecycle
from functions.runtime.settings import RuntimeSettings


async def answer(request: Request) -> Response:
    if request.method == "POST":
        await request.body()
    return JSONResponse({"answer": loaded(request, int)})


async def full(_request: Request) -> Response:
    raise QueueFull("64 requests wait already", retry_after=7)


async def broken(_request: Request) -> Response:
    raise RuntimeError("a secret that must not leave")


async def reply_or_not(event: CloudEvent, _resource: int) -> CloudEvent | None:
    if event.subject == "quiet":
        return None
    return wrap(IndexRebuildRequested(reason="because"), source="/test", cause=event)


@asynccontextmanager
async def forty_two(_environ: Mapping[str, str]) -> AsyncIterator[int]:
    yield 42


ROUTES = [
    Route("/answer", answer, methods=["GET", "POST"]),
    Route("/full", full),
    Route("/v2/full", full),
    Route("/broken", broken),
    event_route(reply_or_not, int),
]


def client(app: Starlette) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://function")


@asynccontextmanager
async def running(function: Function[int]) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(function, {})
    async with app.router.lifespan_context(app), client(app) as http:
        await app.state.lifecycle.settled()
        yield http


def a_function(max_body: int = 1000) -> Function[int]:
    return Function("test", forty_two, ROUTES, no_warmup, max_body)


async def test_ready_only_after_load_and_a_real_inference() -> None:
    go, seen = asyncio.Event(), []

    async def warm(resource: int) -> None:
        seen.append(resource)
        await go.wait()

    app = build_app(Function("test", forty_two, ROUTES, warm), {})
    async with app.router.lifespan_context(app), client(app) as http:
        while not seen:
            await asyncio.sleep(0)
        assert (await http.get("/health/live")).status_code == 200
        assert (await http.get("/health/ready")).status_code == 503
        warming = await http.get("/answer")
        assert (warming.status_code, warming.headers["retry-after"]) == (503, "1")
        go.set()
        await app.state.lifecycle.settled()
        assert (await http.get("/health/ready")).status_code == 200
        assert (await http.get("/answer")).json() == {"answer": 42}
        assert seen == [42]


async def test_a_failed_load_is_tried_again_and_heals(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("functions.runtime.lifecycle.FIRST_PAUSE", 0.001)
    attempts = []

    @asynccontextmanager
    async def load(_environ: Mapping[str, str]) -> AsyncIterator[int]:
        attempts.append(1)
        if len(attempts) < 3:
            raise Unavailable("no model is configured yet")
        yield 42

    lifecycle = Lifecycle(load, no_warmup, {})
    lifecycle.start()
    await lifecycle.settled()
    with pytest.raises(Unavailable, match="no model is configured yet"):
        lifecycle.resource()
    async with asyncio.timeout(5):
        while not lifecycle.ready:
            await asyncio.sleep(0.001)
    assert lifecycle.resource() == 42
    await lifecycle.close()
    with pytest.raises(Unavailable, match="stopping"):
        lifecycle.resource()


async def test_errors_are_json_with_the_right_status_and_never_a_traceback() -> None:
    async with running(a_function()) as http:
        refused = await http.get("/full", headers={"x-request-id": "abc"})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
        assert refused.json() == {
            "error": {
                "code": "queue_full",
                "message": "64 requests wait already",
                "request_id": "abc",
            }
        }
        assert (await http.get("/v2/full")).json() == {"error": "64 requests wait already"}
        unexpected = await http.get("/broken")
        assert unexpected.status_code == 500
        assert "secret" not in unexpected.text
        assert unexpected.json()["error"]["code"] == "internal"


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("DELETE", "/answer", 405, "method_not_allowed"),
        ("POST", "/answer", 413, "too_large"),
        ("POST", "/", 400, "bad_request"),
    ],
)
async def test_a_bad_request_gets_its_own_status(
    method: str, path: str, status: int, code: str
) -> None:
    body = b"x" * 1001 if status == 413 else b"x"
    async with running(a_function()) as http:
        answered = await http.request(method, path, content=body)
    assert (answered.status_code, answered.json()["error"]["code"]) == (status, code)


async def test_a_body_without_a_declared_length_is_counted_too() -> None:
    async def drip() -> AsyncIterator[bytes]:
        for _ in range(11):
            yield b"x" * 100

    async with running(a_function()) as http:
        assert (await http.post("/answer", content=drip())).status_code == 413


EVENT = {"ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "t"}


async def test_200_with_an_event_is_a_reply_only_when_the_sender_prefers_it() -> None:
    async with running(a_function()) as http:
        preferred = await http.post("/", headers={**EVENT, "prefer": "reply"})
        assert preferred.status_code == 200
        reply = from_http(dict(preferred.headers), preferred.content)
        assert reply.type == IndexRebuildRequested.type
        assert (await http.post("/", headers=EVENT)).status_code == 202
        quiet = await http.post("/", headers={**EVENT, "prefer": "reply", "ce-subject": "quiet"})
        assert quiet.status_code == 202


async def test_a_request_id_is_kept_or_made_and_always_returned() -> None:
    async with running(a_function()) as http:
        kept = await http.get("/answer", headers={"x-request-id": "mine"})
        assert kept.headers["x-request-id"] == "mine"
        assert len((await http.get("/answer")).headers["x-request-id"]) == 32


def test_a_log_record_is_one_json_line_with_the_agreed_fields() -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    context.enter(context.RequestContext("abc", trace))
    record = logging.LogRecord("n", logging.INFO, "f", 1, "a\nb %s", ("c",), None)
    record.fields = {"status": 200}
    line = logs.JsonFormatter("ner", "ner-00001").format(record)
    assert "\n" not in line
    fields = json.loads(line)
    assert fields["request_id"] == "abc"
    assert fields["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert (fields["service"], fields["revision"]) == ("ner", "ner-00001")
    assert (fields["level"], fields["message"], fields["status"]) == ("INFO", "a\nb c", 200)
    assert fields["timestamp"].endswith("+00:00")


def test_a_log_record_with_half_a_surrogate_pair_is_still_a_line() -> None:
    record = logging.LogRecord("n", logging.INFO, "f", 1, "é \ud800", (), None)
    line = logs.JsonFormatter("ner", "").format(record)
    assert line.encode()
    assert json.loads(line)["message"] == "é \ud800"


def test_settings_name_the_variable_that_is_wrong() -> None:
    with pytest.raises(ValueError, match="PORT must be a whole number, not 'x'"):
        RuntimeSettings.from_env({"PORT": "x"}, "ner")
    settings = RuntimeSettings.from_env({"K_REVISION": "ner-00001"}, "ner")
    assert (settings.port, settings.metrics_port) == (8080, 9464)
    assert (settings.service, settings.revision) == ("ner", "ner-00001")
