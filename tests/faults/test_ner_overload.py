"""ner with more than it can do: refused at once, never answered late, nothing done for who is gone.

The model is held in the middle of a batch, so that what is proved does not depend on its speed; what
it was shown is on record.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.ner.service import Ner
from functions.runtime.backends_onnx import OnnxEncoder
from functions.runtime.encoder import Output, Tokens
from tests.support.ner_cache import tiny_cache
from tests.support.ner_client import running

PATIENCE = 30
ANNA, BOSCH = 6, 7
"""Tokens of these words alone; the sentence that must not be seen has more."""


class Held:
    """An encoder's `run` that waits for `go`; `shown` is the longest row of each batch, in tokens."""

    def __init__(self) -> None:
        self.shown: list[int] = []
        self.busy, self.go = threading.Event(), threading.Event()
        self.go.set()  # the start's own inferences pass
        self._run = OnnxEncoder.run

    def run(self, encoder: OnnxEncoder, ids: Tokens, mask: Tokens, types: Tokens) -> Output:
        self.shown.append(ids.shape[1])
        self.busy.set()
        assert self.go.wait(PATIENCE)
        return self._run(encoder, ids, mask, types)

    def hold(self) -> None:
        self.shown.clear()
        self.busy.clear()
        self.go.clear()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return tiny_cache(tmp_path_factory.mktemp("ner"))


@pytest.fixture
async def held(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Held]:
    model = Held()

    def run(encoder: OnnxEncoder, *tensors: Tokens) -> Output:
        return model.run(encoder, *tensors)

    monkeypatch.setattr(OnnxEncoder, "run", run)
    yield model
    model.go.set()


def asked(client: httpx.AsyncClient, text: str) -> asyncio.Task[httpx.Response]:
    return asyncio.create_task(client.post("/v1/entities", json={"texts": [text]}))


async def waiting(ner: Ner, *, least: int) -> None:
    """Return once as many tokens wait."""
    assert ner.engine is not None
    async with asyncio.timeout(PATIENCE):
        while ner.engine.batcher.waiting_tokens < least:
            await asyncio.sleep(0.001)


def resource(client: httpx.AsyncClient) -> Ner:
    found = app(client).state.lifecycle.resource()
    assert isinstance(found, Ner)
    return found


def app(client: httpx.AsyncClient) -> Any:
    transport = client._transport
    assert isinstance(transport, httpx.ASGITransport)
    return transport.app


def environ(cache: tuple[Path, str], **more: str) -> dict[str, str]:
    return {
        "MODEL_CACHE_DIR": str(cache[0]),
        "MODEL_DIGEST": cache[1],
        "MODEL_STEADY": "false",
    } | more


async def test_a_full_queue_is_429_with_retry_after_and_what_was_let_in_is_answered(
    cache: tuple[Path, str], held: Held
) -> None:
    async with running(**environ(cache, NER_QUEUE_TOKENS="5")) as client:
        held.hold()
        first = asked(client, "Anna")
        await asyncio.to_thread(held.busy.wait, PATIENCE)
        second = asked(client, "Anna met Bosch in Rome, and in Rome.")
        await waiting(resource(client), least=5)
        refused = await asked(client, "Anna")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["error"]["code"] == "queue_full"
        held.go.set()
        assert [(await one).status_code for one in (first, second)] == [200, 200]


async def test_past_its_time_a_request_is_504_and_the_model_never_sees_it(
    cache: tuple[Path, str], held: Held
) -> None:
    async with running(**environ(cache, NER_TIMEOUT_MS="50")) as client:
        held.hold()
        first = asked(client, "Anna")
        await asyncio.to_thread(held.busy.wait, PATIENCE)
        late = await asked(client, "Anna met Bosch in Rome.")
        assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_exceeded")
        held.go.set()
        assert (await first).status_code == 504
        assert (await asked(client, "Bosch")).status_code == 200
    assert held.shown == [ANNA, BOSCH]


async def test_a_client_that_went_away_is_dropped_before_it_costs_anything(
    cache: tuple[Path, str], held: Held
) -> None:
    async with running(**environ(cache)) as client:
        held.hold()
        first = asked(client, "Anna")
        await asyncio.to_thread(held.busy.wait, PATIENCE)
        leave = asyncio.Event()
        gone = asyncio.create_task(leaves(app(client), "Anna met Bosch in Rome.", leave))
        await waiting(resource(client), least=3)
        leave.set()
        await asyncio.wait_for(gone, PATIENCE)
        held.go.set()
        assert (await first).status_code == 200
        assert (await asked(client, "Bosch")).status_code == 200
    assert held.shown == [ANNA, BOSCH]


async def leaves(app: Any, text: str, leave: asyncio.Event) -> None:
    """Ask as a server does for a client that closes its connection before the answer."""
    body = json.dumps({"texts": [text]}).encode()
    said = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in said:
            return message
        await leave.wait()
        return {"type": "http.disconnect"}

    async def send(_message: object) -> None:
        """Nobody reads it."""

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/entities",
        "query_string": b"",
        "headers": [],
    }
    await app(scope, receive, send)
