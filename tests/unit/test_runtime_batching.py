"""The batcher: together while the model works, each its own answer, nothing for who is gone."""

import asyncio
import threading
from collections.abc import Callable, Sequence

import pytest

from functions.runtime.batching import Batcher, Limits
from functions.runtime.errors import DeadlineExceeded, QueueFull


class Model:
    """Doubles numbers; `hold` makes the first batch wait until `release`."""

    def __init__(self, *, hold: bool = False) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[int] = set()
        self.started = threading.Event()
        self._go = threading.Event()
        if not hold:
            self.release()

    def release(self) -> None:
        self._go.set()

    def __call__(self, values: Sequence[int]) -> list[int]:
        self.batches.append(list(values))
        self.threads.add(threading.get_ident())
        self.started.set()
        if not self._go.wait(10):
            raise TimeoutError
        return [2 * value for value in values]


def batcher(model: Callable[[Sequence[int]], list[int]], **limits: int) -> Batcher[int, int]:
    return Batcher(model, lambda value: value, Limits(**limits))


async def held(model: Model, batch: Batcher[int, int]) -> asyncio.Task[list[int]]:
    """Keep the model busy with a first request."""
    first = asyncio.create_task(batch.submit([1], 10))
    await asyncio.to_thread(model.started.wait, 10)
    return first


async def test_requests_that_arrive_while_the_model_works_share_the_next_batch() -> None:
    model = Model(hold=True)
    async with batcher(model) as batch:
        first = await held(model, batch)
        others = [asyncio.create_task(batch.submit([n, n + 1], 10)) for n in (20, 22, 24)]
        await asyncio.sleep(0)
        model.release()
        assert await first == [2]
        assert await asyncio.gather(*others) == [[40, 42], [44, 46], [48, 50]]
    assert [sorted(one) for one in model.batches] == [[1], [20, 21, 22, 23, 24, 25]]


async def test_the_model_never_runs_on_the_event_loop() -> None:
    model = Model()
    async with batcher(model) as batch:
        await asyncio.gather(*(batch.submit([n], 10) for n in range(1, 9)))
    assert len(model.threads) == 1
    assert threading.get_ident() not in model.threads


async def test_a_full_queue_refuses_at_once_and_what_was_let_in_is_answered() -> None:
    model = Model(hold=True)
    async with batcher(model, queue_tokens=10) as batch:
        first = await held(model, batch)
        second = asyncio.create_task(batch.submit([6, 6], 10))
        await asyncio.sleep(0)
        with pytest.raises(QueueFull) as refused:
            await batch.submit([1], 10)
        assert refused.value.retry_after
        model.release()
        assert [await first, await second] == [[2], [12, 12]]


async def test_a_request_larger_than_the_queue_is_let_in_when_nothing_waits() -> None:
    async with batcher(Model(), queue_tokens=10, batch_tokens=8) as batch:
        assert await batch.submit([50, 3], 10) == [100, 6]


async def test_past_its_deadline_a_request_fails_and_costs_nothing() -> None:
    model = Model(hold=True)
    async with batcher(model) as batch:
        first = await held(model, batch)
        with pytest.raises(DeadlineExceeded):
            await batch.submit([7], 0.01)
        model.release()
        assert await first == [2]
        assert await batch.submit([3], 10) == [6]
    assert model.batches == [[1], [3]]


async def test_a_request_that_was_given_up_costs_nothing() -> None:
    model = Model(hold=True)
    async with batcher(model) as batch:
        first = await held(model, batch)
        gone = asyncio.create_task(batch.submit([7, 8], 10))
        await asyncio.sleep(0)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert batch.waiting_tokens == 15  # swept out when the next batch is chosen
        model.release()
        assert await first == [2]
        assert await batch.submit([3], 10) == [6]
    assert model.batches == [[1], [3]]


async def test_a_short_request_does_not_wait_for_the_whole_of_a_long_one() -> None:
    model = Model(hold=True)
    async with batcher(model, batch_tokens=20) as batch:
        first = await held(model, batch)
        long = asyncio.create_task(batch.submit([10] * 20, 10))
        await asyncio.sleep(0)
        short = asyncio.create_task(batch.submit([3], 10))
        await asyncio.sleep(0)
        model.release()
        await asyncio.gather(first, long, short)
    assert any(3 in one for one in model.batches[1:4])


async def test_a_failing_batch_fails_its_requests_and_no_others() -> None:
    def model(values: Sequence[int]) -> list[int]:
        if 13 in values:
            raise ValueError("thirteen")
        return list(values)

    async with batcher(model) as batch:
        with pytest.raises(ValueError, match="thirteen"):
            await batch.submit([13], 10)
        assert await batch.submit([5], 10) == [5]


async def test_what_is_left_of_a_failed_request_is_dropped_after_the_next_batch() -> None:
    seen: list[int] = []

    def model(values: Sequence[int]) -> list[int]:
        seen.extend(values)
        if 13 in values:
            raise ValueError("thirteen")
        return list(values)

    async with batcher(model, batch_tokens=20) as batch:
        with pytest.raises(ValueError, match="thirteen"):
            await batch.submit([13, 50, 60, 70], 10)
        assert await batch.submit([5], 10) == [5]
    assert seen == [13, 50, 5]


async def test_leaving_it_finishes_the_running_batch_and_gives_up_what_waits() -> None:
    model = Model(hold=True)
    async with batcher(model, batch_tokens=1) as batch:
        first = await held(model, batch)
        second = asyncio.create_task(batch.submit([7], 1000))
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_soon(model.release)
    assert await first == [2]
    with pytest.raises(asyncio.CancelledError):
        await second
    assert model.batches == [[1]]


async def test_an_empty_request_needs_no_model() -> None:
    model = Model()
    async with batcher(model) as batch:
        assert await batch.submit([], 10) == []
    assert model.batches == []


async def batches_of(sizes: list[int], batch_tokens: int) -> list[list[int]]:
    """Return what runs together of requests that came in this order."""
    model = Model(hold=True)
    async with batcher(model, batch_tokens=batch_tokens) as batch:
        first = await held(model, batch)
        others = [asyncio.create_task(batch.submit([size], 10)) for size in sizes]
        await asyncio.sleep(0)
        model.release()
        await asyncio.gather(first, *others)
    return model.batches[1:]


async def test_a_batch_is_what_came_first_whatever_its_length() -> None:
    assert await batches_of([50, 5, 48, 200, 52, 6], 160) == [[50, 5, 48], [200], [52, 6]]


async def test_what_has_its_turn_runs_even_when_it_is_longer_than_a_batch() -> None:
    assert await batches_of([500, 1], 100) == [[500], [1]]
