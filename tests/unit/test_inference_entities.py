"""ner may be down, slow or wrong; the answer goes out without entities and says so."""

import asyncio
import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.inference.app import function
from functions.inference.entities import Entities, Ner
from functions.runtime.errors import Unavailable

ENTITY = {"text": "Bremen", "label": "LOC", "start": 17, "end": 23, "score": 0.9}


def ner(handler: Any, timeout: float = 5.0) -> Ner:
    transport = httpx.MockTransport(handler)
    return Ner("http://ner.test", timeout, httpx.AsyncClient(transport=transport))


async def ask(client: Ner) -> Entities:
    try:
        return await client.entities("Velora Cycles of Bremen")
    finally:
        await client.close()


async def test_entities_and_the_model_that_found_them_are_passed_on() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/entities"
        assert json.loads(request.content) == {"texts": ["Velora Cycles of Bremen"]}
        return httpx.Response(200, json={"results": [{"entities": [ENTITY]}], "model": "ner-v1"})

    assert await ask(ner(answer)) == Entities((ENTITY,), "ner-v1")


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(503, json={}), "ner answered 503"),
        (httpx.Response(200, text="no json"), "no list of entities"),
        (httpx.Response(200, json={"results": []}), "no list of entities"),
        (httpx.Response(200, json=["x"]), "no list of entities"),
    ],
)
async def test_a_wrong_answer_is_told_and_not_passed_on(
    response: httpx.Response, reason: str
) -> None:
    found = await ask(ner(lambda _request: response))
    assert found.found == ()
    assert reason in found.error


async def test_no_connection_is_told() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert "cannot be reached: ConnectError" in (await ask(ner(refuse))).error


async def test_the_deadline_holds_for_the_whole_call() -> None:
    async def never(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    assert "within 0.01 s" in (await ask(ner(never, 0.01))).error


async def test_without_an_address_nobody_is_asked() -> None:
    client = Ner("", 1.0)
    client.wake()
    assert (await ask(client)).error == "no NER_URL is configured"


async def test_a_process_without_a_model_wakes_nobody(tmp_path: Path) -> None:
    calls = 0

    async def count(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    server = await asyncio.start_server(count, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    environ = {
        "MODEL_CACHE_DIR": str(tmp_path),
        "INDEX_DIR": str(tmp_path),
        "NER_URL": f"http://127.0.0.1:{port}",
    }
    async with server:
        with pytest.raises(Unavailable, match="no model is configured yet"):
            async with function.load(environ):
                pass
    assert calls == 0
