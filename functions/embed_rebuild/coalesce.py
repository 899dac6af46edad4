"""Many requests for one rebuild.

A request is answered by a rebuild that began after it came: so the last state of the bucket is
always indexed, and a burst of a hundred uploads costs two rebuilds. The requests are held open
meanwhile; one whose process dies is delivered again by the Broker.
"""

import asyncio
from collections.abc import Callable

from eventing.events import IndexRebuilt


class Coalescer:
    """Runs one blocking job at a time; requests that come meanwhile share the next run."""

    def __init__(self, job: Callable[[], list[IndexRebuilt]]) -> None:
        self._job = job
        self._running: asyncio.Task[list[IndexRebuilt]] | None = None
        self._next: asyncio.Task[list[IndexRebuilt]] | None = None

    async def request(self) -> tuple[list[IndexRebuilt], bool]:
        """Return what a run that starts after now rebuilt, and whether this request caused it."""
        caused = self._next is None
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._running))
        return await asyncio.shield(self._next), caused

    async def _run(self, before: asyncio.Task[list[IndexRebuilt]] | None) -> list[IndexRebuilt]:
        if before is not None:
            await asyncio.wait([before])
        self._running, self._next = self._next, None
        return await asyncio.to_thread(self._job)
