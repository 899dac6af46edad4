"""A request is answered by a rebuild that began after it came."""

import asyncio
import threading

import pytest

from eventing.events import IndexRebuilt
from functions.embed_rebuild.coalesce import Coalescer


class Job:
    """Counts its runs; each waits until it is let go."""

    def __init__(self) -> None:
        self.runs = 0
        self.started = threading.Semaphore(0)
        self.let_go = threading.Semaphore(0)
        self.failures: list[Exception] = []

    def __call__(self) -> list[IndexRebuilt]:
        self.runs += 1
        run = self.runs
        self.started.release()
        assert self.let_go.acquire(timeout=10)
        if self.failures:
            raise self.failures.pop()
        return [IndexRebuilt(f"run-{run}", "sha256:0", 1, 1, 1, 0.1)]


async def ask(coalescer: Coalescer) -> asyncio.Task[tuple[list[IndexRebuilt], bool]]:
    task = asyncio.create_task(coalescer.request())
    await asyncio.sleep(0)
    return task


async def test_a_burst_during_a_rebuild_shares_the_next_one() -> None:
    job = Job()
    coalescer = Coalescer(job)
    first = await ask(coalescer)
    await asyncio.to_thread(job.started.acquire)
    burst = [await ask(coalescer) for _ in range(20)]
    job.let_go.release(2)
    answers = await asyncio.gather(first, *burst)
    assert job.runs == 2
    assert [reports[0].generation for reports, _ in answers] == ["run-1", *["run-2"] * 20]
    assert [caused for _, caused in answers] == [True, True, *[False] * 19]


async def test_requests_that_come_before_the_start_share_it() -> None:
    job = Job()
    job.let_go.release()
    coalescer = Coalescer(job)
    await asyncio.gather(*(coalescer.request() for _ in range(5)))
    assert job.runs == 1


async def test_a_request_after_a_rebuild_gets_one_of_its_own() -> None:
    job = Job()
    job.let_go.release(2)
    coalescer = Coalescer(job)
    assert [(await coalescer.request())[0][0].generation for _ in range(2)] == ["run-1", "run-2"]


async def test_a_failure_reaches_those_who_waited_for_it_and_nobody_else() -> None:
    job = Job()
    job.failures.append(OSError("disk"))
    coalescer = Coalescer(job)
    first = await ask(coalescer)
    await asyncio.to_thread(job.started.acquire)
    second = await ask(coalescer)
    job.let_go.release(2)
    with pytest.raises(OSError, match="disk"):
        await first
    assert (await second)[0][0].generation == "run-2"


async def test_a_caller_that_goes_away_stops_no_rebuild() -> None:
    job = Job()
    coalescer = Coalescer(job)
    gone = await ask(coalescer)
    await asyncio.to_thread(job.started.acquire)
    gone.cancel()
    waiting = await ask(coalescer)
    job.let_go.release(2)
    assert (await waiting)[0][0].generation == "run-2"
