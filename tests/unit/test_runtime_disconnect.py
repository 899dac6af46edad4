"""A client that goes away takes its work with it; one that stays gets its answer."""

import asyncio
from typing import Any

import pytest
from starlette.requests import Request

from functions.runtime.disconnect import ClientGone, while_connected


def request(gone: asyncio.Event) -> Request:
    async def receive() -> dict[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    return Request({"type": "http", "headers": []}, receive)


async def test_work_of_a_client_that_went_away_is_cancelled() -> None:
    gone, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        gone.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    with pytest.raises(ClientGone):
        await while_connected(request(gone), work())
    assert cancelled.is_set()


async def test_a_client_that_stays_gets_the_answer() -> None:
    async def work() -> int:
        await asyncio.sleep(0)
        return 7

    assert await while_connected(request(asyncio.Event()), work()) == 7


async def test_an_error_of_the_work_is_the_callers() -> None:
    async def work() -> int:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await while_connected(request(asyncio.Event()), work())


async def test_a_caller_that_is_cancelled_cancels_the_work() -> None:
    started, cancelled = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    task = asyncio.create_task(while_connected(request(asyncio.Event()), work()))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cancelled.is_set()
