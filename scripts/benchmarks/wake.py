"""A request at a sleeping function: how long after its process listens, and 200 of them at once.

The process itself says when its socket began to listen, by the machine's one monotonic clock; so
the figure is the platform's part of a cold start alone: probe, route, and the request's way.
"""

import asyncio
import time
from statistics import median

import httpx

from scripts.benchmarks.harness import Options, Report
from scripts.benchmarks.laptop import Laptop, laptop, service

REPEATS, AT_ONCE = 7, 200
MOST_AFTER_LISTENING_MS = 100.0
ENOUGH = "10000"  # requests that one replica should carry: more of them is no reason for a second


def run(report: Report, options: Options) -> None:
    """Wake one function again and again; `--seconds` sets no limit here."""
    del options
    asyncio.run(_measure(report))


async def _measure(report: Report) -> None:
    async with laptop() as local:
        await local.create(service("trivial", window="6s", target=ENOUGH))
        waits = [await _one(local, report) for _ in range(REPEATS)]
        crowds = [await _crowd(local, report) for _ in range(2)]
    name = f"answered after listening, median of {REPEATS}"
    report.at_most(name, median(waits), MOST_AFTER_LISTENING_MS, "ms")
    report.equal("requests of a crowd that were not answered", sum(lost for lost, _ in crowds), 0)
    report.equal("start-ups for a crowd, most", max(starts for _, starts in crowds), 1)


async def _one(local: Laptop, report: Report) -> float:
    began, answers = await _wake(local, 1)
    answered, answer = answers[0]
    listening = float(answer.json()["listening"])
    after = (answered - listening) * 1000
    report.row(
        requests=1,
        answered_ms=(answered - began) * 1000,
        process_listening_ms=(listening - began) * 1000,
        after_listening_ms=after,
    )
    return after


async def _crowd(local: Laptop, report: Report) -> tuple[int, int]:
    """Return how many of the requests were not answered, and how many processes started."""
    began, answers = await _wake(local, AT_ONCE)
    good = [answer for _, answer in answers if answer.status_code == httpx.codes.OK]
    starts = {answer.json()["pid"] for answer in good}
    times = [(at - began) * 1000 for at, _ in answers]
    report.row(
        requests=AT_ONCE,
        answered=len(good),
        start_ups=len(starts),
        median_ms=median(times),
        last_ms=max(times),
    )
    return AT_ONCE - len(good), len(starts)


async def _wake(local: Laptop, requests: int) -> tuple[float, list[tuple[float, httpx.Response]]]:
    """Ask a sleeping function that many times at once; return when, and the answers with theirs."""
    await local.until(lambda: local.asleep("trivial"), "the function sleeps")
    began = time.monotonic()

    async def ask() -> tuple[float, httpx.Response]:
        answer = await local.get("trivial")
        return time.monotonic(), answer

    return began, await asyncio.gather(*(ask() for _ in range(requests)))
