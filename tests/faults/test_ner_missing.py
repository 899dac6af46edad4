"""ner is down, mute, or torn off in the middle: the answer comes in time all the same, and says so.

ner is a socket that behaves badly, so that what is proved is proved over HTTP.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.inference.app import function
from tests.support.index import serving
from tests.support.inference import index_of_notes

QUESTION = "How many e-bikes were sold in Germany in 2024?"
TIMEOUT = 0.5
Streams = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def mute(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def dripping(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Send a byte now and then: no single read ever waits long."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
    while not writer.is_closing():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(TIMEOUT / 10)


async def torn(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b'HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{"results":')
    writer.close()


async def warming(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(
        b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 2\r\n\r\n{}"
    )
    writer.close()


@asynccontextmanager
async def ner(behaviour: Streams) -> AsyncIterator[str]:
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(behaviour(reader, writer))
        tasks.add(task)
        await asyncio.wait([task])
        writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        server.close()


@pytest.fixture(scope="module")
def environ(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    root = tmp_path_factory.mktemp("inference")
    return index_of_notes(root, trained_models) | {"NER_TIMEOUT_SECONDS": str(TIMEOUT)}


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (mute, f"did not answer within {TIMEOUT} s"),
        (dripping, f"did not answer within {TIMEOUT} s"),
        (torn, "cannot be reached: RemoteProtocolError"),
        (warming, "answered 503"),
    ],
)
async def test_the_answer_comes_without_entities_and_says_why(
    environ: dict[str, str], behaviour: Streams, reason: str
) -> None:
    async with ner(behaviour) as url, serving(function, environ | {"NER_URL": url}) as client:
        body = (await client.post("/v1/research", json={"question": QUESTION})).json()
        streamed = await client.post("/v1/research", json={"question": QUESTION, "stream": True})
    assert_answered(body, reason)
    assert_answered(json.loads(streamed.text.rpartition("data: ")[2]), reason)


async def test_a_ner_that_is_not_there_costs_no_answer(environ: dict[str, str]) -> None:
    async with ner(mute) as url:
        pass  # nobody listens on its port now
    async with serving(function, environ | {"NER_URL": url}) as client:
        body = (await client.post("/v1/research", json={"question": QUESTION})).json()
    assert_answered(body, "cannot be reached: ConnectError")


def assert_answered(body: dict[str, Any], reason: str) -> None:
    assert "2.05 million" in body["answer"]
    assert body["citations"]
    assert (body["entities"], body["models"]["ner"]) == ([], None)
    assert reason in body["entities_error"]


async def test_questions_asked_meanwhile_do_not_wait_for_each_other(
    environ: dict[str, str],
) -> None:
    everybody = asyncio.Barrier(20)

    async def together(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer no question until all have come; the knock of a start is none."""
        if (await reader.readuntil(b"\r\n\r\n")).startswith(b"POST"):
            await everybody.wait()
        writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    patient = environ | {"NER_TIMEOUT_SECONDS": "60"}
    async with ner(together) as url, serving(function, patient | {"NER_URL": url}) as client:
        asked = (client.post("/v1/research", json={"question": QUESTION}) for _ in range(20))
        answers: list[httpx.Response] = await asyncio.gather(*asked)
    for answer in answers:
        assert_answered(answer.json(), "answered 503")
