"""`kill -9` in the middle of everything: what was accepted arrives, and so does what follows."""

import asyncio
import contextlib
import random
import signal
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
from starlette.responses import Response

from eventing.cloudevent import CloudEvent, to_http
from tests.support.subscriber import Received, eventually, subscriber

ROUNDS = 5
ROOT = Path(__file__).parents[2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.asynccontextmanager
async def broker(file: Path, port: int, subscribers: str) -> AsyncIterator[None]:
    """A Broker process that answers; killed with SIGKILL at the end."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.broker_process", str(file), str(port), subscribers,
        cwd=ROOT,
    )  # fmt: skip
    try:
        async with httpx.AsyncClient(trust_env=False) as client, asyncio.timeout(20):
            while not await answers(client, port):
                await asyncio.sleep(0.02)
        yield
    finally:
        process.send_signal(signal.SIGKILL)
        await process.wait()


async def answers(client: httpx.AsyncClient, port: int) -> bool:
    try:
        return (await client.options(f"http://127.0.0.1:{port}/")).status_code == 200
    except httpx.TransportError:
        return False


async def send(client: httpx.AsyncClient, port: int, number: str) -> str | None:
    """Send one event; its id once the Broker has accepted it."""
    headers, body = to_http(CloudEvent(number, "test", "ask", data=b"x" * 2000))
    try:
        url = f"http://127.0.0.1:{port}/ns/default"
        answer = await client.post(url, headers=headers, content=body)
    except httpx.TransportError:
        return None
    return number if answer.status_code == 202 else None


async def test_no_accepted_event_and_no_reply_is_lost_over_kill_9(tmp_path: Path) -> None:
    chance = random.Random(7)  # noqa: S311 - a seed, so that a failure can be repeated
    asked: set[str] = set()
    replied: set[str] = set()

    def answer(received: Received) -> Response:
        if chance.random() < 0.3:
            return Response(status_code=503)
        event = received.event
        if event.type == "reply":
            replied.add(event.id)
            return Response(status_code=202)
        asked.add(event.id)
        headers, body = to_http(CloudEvent(event.id, "replier", "reply", data=b"y"))
        return Response(body, 200, headers)

    file, port = tmp_path / "events.db", free_port()
    accepted: set[str] = set()
    async with subscriber(answer) as one, httpx.AsyncClient(trust_env=False) as client:
        for turn in range(ROUNDS):
            async with broker(file, port, one.url):
                sending = [
                    asyncio.create_task(send(client, port, f"{turn}-{n}")) for n in range(60)
                ]
                enough = chance.randrange(5, 50)
                await eventually(lambda: sum(task.done() for task in sending) >= enough, 20)  # noqa: B023 - called within this turn
            accepted |= {number for task in sending if (number := await task)}
        async with broker(file, port, one.url):
            await eventually(lambda: accepted <= asked and accepted <= replied, 30)
    assert len(accepted) >= ROUNDS * 5
