"""Live traffic: a steady rate of requests, every one of them counted by status and by Revision."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

OK = 200


@dataclass(slots=True)
class Tally:
    """What the callers saw. `served_by` and `failed_by` count per Revision (`x-revision`).

    `slowest` is the longest time to an answer, in seconds.
    """

    requests: int = 0
    failed: int = 0
    slowest: float = 0.0
    served_by: Counter[str] = field(default_factory=Counter)
    failed_by: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)

    def count(self, status: int, revision: str, text: str) -> None:
        """Count one answer."""
        self.requests += 1
        self.served_by[revision] += 1
        if status != OK:
            self.failed += 1
            self.failed_by[revision] += 1
            self.problems[f"{status} {text[:120]}"] += 1

    def facts(self) -> dict[str, object]:
        """Return the numbers for the report."""
        return {
            "requests": self.requests,
            "failed": self.failed,
            "slowest": round(self.slowest, 3),
            "served_by": dict(self.served_by),
            "failed_by": dict(self.failed_by),
            "problems": dict(self.problems),
        }


@asynccontextmanager
async def traffic(
    send: Callable[[], Awaitable[httpx.Response]], rate: float, at_once: int = 2
) -> AsyncIterator[Tally]:
    """Call `send` `rate` times a second, in bursts of `at_once`, while the block runs."""
    tally, stop = Tally(), asyncio.Event()
    task = asyncio.create_task(_drive(send, rate / at_once, at_once, tally, stop))
    try:
        yield tally
    finally:
        stop.set()
        await task


async def _drive(
    send: Callable[[], Awaitable[httpx.Response]],
    bursts_a_second: float,
    at_once: int,
    tally: Tally,
    stop: asyncio.Event,
) -> None:
    started, bursts = time.monotonic(), 0
    async with asyncio.TaskGroup() as group:
        while not stop.is_set():
            for _ in range(at_once):
                group.create_task(_one(send, tally))
            bursts += 1
            pause = started + bursts / bursts_a_second - time.monotonic()
            await asyncio.sleep(max(0.0, pause))


async def _one(send: Callable[[], Awaitable[httpx.Response]], tally: Tally) -> None:
    started = time.monotonic()
    try:
        answer = await send()
    except httpx.HTTPError as error:
        tally.count(0, "nobody", type(error).__name__)
        return
    finally:
        tally.slowest = max(tally.slowest, time.monotonic() - started)
    tally.count(answer.status_code, answer.headers.get("x-revision", "gateway"), answer.text)
