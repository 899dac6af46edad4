"""One look at a time: whoever asks while a look runs is served by the next one, together.

A tick needs no answer and gives way; any other event must be followed by a look that began after it.
"""

import asyncio
from collections.abc import Awaitable, Callable


class SingleFlight:
    """Runs `work` for one subject, never twice at once."""

    def __init__(self, work: Callable[[], Awaitable[None]]) -> None:
        self._work = work
        self._lock = asyncio.Lock()
        self._asked = 0
        self._served = 0

    @property
    def busy(self) -> bool:
        """Whether a look runs now."""
        return self._lock.locked()

    async def run(self) -> None:
        """Return after a run that began no earlier than this call."""
        self._asked += 1
        mine = self._asked
        async with self._lock:
            if self._served >= mine:
                return
            serving = self._asked
            await self._work()
            self._served = serving
