"""load → warm → ready, with the truth about where a process stands.

A load that fails is tried again with a growing pause: a model that arrives later, or a volume that
comes back, heals the process without a restart. Until then requests get 503 with the reason.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Generic, TypeVar

from functions.runtime import coldstart
from functions.runtime.errors import ApiError, Unavailable

log = logging.getLogger(__name__)
T = TypeVar("T")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds between attempts to load."""


class Lifecycle(Generic[T]):
    """Holds a function's resource from its loading to its closing."""

    def __init__(
        self,
        load: Callable[[Mapping[str, str]], AbstractAsyncContextManager[T]],
        warm: Callable[[T], Awaitable[None]],
        environ: Mapping[str, str],
    ) -> None:
        self._load, self._warm, self._environ = load, warm, environ
        self._task: asyncio.Task[None] | None = None
        self._stop = asyncio.Event()
        self._settled = asyncio.Event()
        self._resource: T | None = None
        self.phase = "loading"
        self.reason = "the function is starting"

    def start(self) -> None:
        """Begin to load in the background; a second call does nothing."""
        if self._task is None:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Let go of the resource."""
        self._stop.set()
        if self._task is not None:
            await self._task

    async def settled(self) -> None:
        """Wait until the first attempt to load has ended, well or not."""
        await self._settled.wait()

    @property
    def ready(self) -> bool:
        """True once a real inference has run."""
        return self.phase == "ready"

    def resource(self) -> T:
        """Return the loaded resource; raises Unavailable with the reason until it is ready."""
        if self._resource is None or not self.ready:
            raise Unavailable(self.reason)
        return self._resource

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while not self._stop.is_set():
            if await self._attempt():
                return
            self._settled.set()
            try:
                await asyncio.wait_for(self._stop.wait(), pause)
            except TimeoutError:
                pause = min(pause * 2, LONGEST_PAUSE)

    async def _attempt(self) -> bool:
        """Load, warm, serve until closed; return False when it did not come to serving."""
        try:
            async with AsyncExitStack() as stack:
                resource = await stack.enter_async_context(self._load(self._environ))
                coldstart.mark("load")
                self.phase, self.reason = "warming", "the function is warming up"
                await self._warm(resource)
                coldstart.mark("first_inference")
                self._become_ready(resource)
                await self._stop.wait()
                self.phase, self.reason = "stopping", "the function is stopping"
                self._resource = None
        except ApiError as error:  # expected: no model yet, a volume away
            self._fail(error.message)
            log.warning("not ready: %s", error.message)
            return False
        except Exception as error:
            self._fail(f"loading failed: {type(error).__name__}")
            log.exception("loading failed")
            return False
        return True

    def _fail(self, reason: str) -> None:
        self._resource = None
        self.phase, self.reason = "failed", reason

    def _become_ready(self, resource: T) -> None:
        self._resource = resource
        self.phase, self.reason = "ready", ""
        self._settled.set()
        coldstart.publish()
        log.info("ready", extra={"fields": {"cold_start": coldstart.phases()}})
