"""Requests that arrive while the model works are answered together, each with its own answer.

The model runs in one thread of its own, never on the event loop. A batch is what has its turn, in
that order, as far as its tokens stay within bounds; who runs the model may stop a little short of
that, where fewer go together better. Turns are fair: an item's turn comes after the tokens of its own
request before it, so a short request does not wait for the whole of a long one. What is past its
deadline or was given up by its client is dropped before it costs anything; a full queue refuses at
once.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Generic, TypeVar

from functions.runtime.errors import DeadlineExceeded, QueueFull

In = TypeVar("In")
Out = TypeVar("Out")
Take = Callable[[Sequence[int], int], int]
"""Sizes of what waits, in order, and the most tokens of a batch → how many of them run together."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of a batcher, in tokens and seconds."""

    batch_tokens: int = 448
    """Tokens of one batch; a single longer item still runs, alone."""
    queue_tokens: int = 65_536
    """Tokens that may wait; a request that finds less waiting is let in whole."""
    wait: float = 0.0
    """Seconds that an idle model waits for company; 0 answers at once."""


@dataclass(slots=True, eq=False)
class _Item(Generic[In, Out]):
    value: In
    size: int
    turn: int
    answer: asyncio.Future[Out]


def fill(sizes: Sequence[int], most: int) -> int:
    """Return how many, in order, have at most so many tokens; one at least."""
    return sum(1 for tokens in accumulate(sizes) if tokens <= most) or 1


class Batcher(Generic[In, Out]):
    """Use as an async context manager; leaving it fails what still waits.

    `run` gets a batch and returns one answer an item, in order; `size` is an item's tokens; `take`
    says how many run together, at least one.
    """

    def __init__(
        self,
        run: Callable[[Sequence[In]], Sequence[Out]],
        size: Callable[[In], int],
        limits: Limits,
        take: Take = fill,
    ) -> None:
        self._run, self._size, self._limits, self._take = run, size, limits, take
        self._waiting: list[_Item[In, Out]] = []
        self._closing = asyncio.Event()
        self._clock = 0  # the turn that was served last
        self._arrived = asyncio.Event()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="model")
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Batcher[In, Out]":
        """Start working."""
        self._task = asyncio.create_task(self._work())
        return self

    async def __aexit__(self, *_exc: object) -> None:
        """Stop; the batch that is running is let finish."""
        self._closing.set()
        self._arrived.set()
        if self._task is not None:
            await self._task
        for item in self._waiting:
            item.answer.cancel()
        await asyncio.to_thread(self._thread.shutdown)

    @property
    def waiting_tokens(self) -> int:
        """Tokens in the queue."""
        return sum(item.size for item in self._waiting)

    async def submit(self, values: Sequence[In], timeout: float) -> list[Out]:  # noqa: ASYNC109 - a deadline for the queue
        """Answer the items of one request; QueueFull at once, DeadlineExceeded after `timeout` s."""
        if not values:
            return []
        if self.waiting_tokens >= self._limits.queue_tokens:
            raise QueueFull("too many texts are waiting")
        deadline = asyncio.get_running_loop().time() + timeout
        items = self._items(values)
        self._waiting += items
        self._arrived.set()
        try:
            async with asyncio.timeout_at(deadline):
                return list(await asyncio.gather(*(item.answer for item in items)))
        except TimeoutError:
            raise DeadlineExceeded("the answer would come too late") from None
        finally:  # also when the client went away: nothing of it is worked on any more
            for item in items:
                item.answer.cancel()

    def _items(self, values: Sequence[In]) -> list[_Item[In, Out]]:
        """Give each item of a request its turn."""
        loop, turn, items = asyncio.get_running_loop(), self._clock, list[_Item[In, Out]]()
        for value in values:
            items.append(_Item(value, self._size(value), turn, loop.create_future()))
            turn += items[-1].size
        return items

    async def _work(self) -> None:
        while not self._closing.is_set():
            await self._arrived.wait()
            if self._limits.wait:
                await asyncio.sleep(self._limits.wait)
            self._arrived.clear()
            while not self._closing.is_set() and (batch := self._next()):
                await self._answer(batch)

    def _next(self) -> list[_Item[In, Out]]:
        """Take the next batch out of the queue."""
        alive = (item for item in self._waiting if not item.answer.done())
        self._waiting = sorted(alive, key=lambda item: item.turn)
        if not self._waiting:
            return []
        self._clock = self._waiting[0].turn
        count = self._take([item.size for item in self._waiting], self._limits.batch_tokens)
        batch, self._waiting = self._waiting[:count], self._waiting[count:]
        return batch

    async def _answer(self, batch: Sequence[_Item[In, Out]]) -> None:
        loop = asyncio.get_running_loop()
        values = [item.value for item in batch]
        try:
            answers = await loop.run_in_executor(self._thread, self._run, values)
        except Exception as error:  # noqa: BLE001 - every caller of the batch gets it, and logs it
            for item in batch:
                _settle(item, error)
            return
        for item, answer in zip(batch, answers, strict=True):
            if not item.answer.done():
                item.answer.set_result(answer)


def _settle(item: _Item[Any, Any], error: Exception) -> None:
    if not item.answer.done():
        item.answer.set_exception(error)
