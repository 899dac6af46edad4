"""The order of writes, and those who listen to it: nobody misses one or sees two swapped.

A subscriber starts at a revision that is still remembered, or learns by Expired to list again.
"""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Literal

from knative.local.errors import Expired

EventType = Literal["ADDED", "MODIFIED", "DELETED"]

REMEMBERED = 4_000  # writes: how far back a watch may start


@dataclass(frozen=True, slots=True)
class Change:
    """One write. Bodies are JSON, so that each receiver parses a copy of its own."""

    revision: int
    type: EventType
    kind: str
    body: str  # of a deleted object: its last state
    previous: str | None = None

    def object(self) -> dict[str, Any]:
        """Return the object after the write."""
        return parse(self.body)

    def before(self) -> dict[str, Any] | None:
        """Return the object before the write."""
        return None if self.previous is None else parse(self.previous)


def parse(body: str) -> dict[str, Any]:
    """Read a stored object."""
    parsed: dict[str, Any] = json.loads(body)
    return parsed


class Subscription(AbstractContextManager["Subscription"]):
    """One listener's queue; writes may come from any thread. Close it by leaving its `with`."""

    def __init__(self, changes: "Changes", kinds: Iterable[str]) -> None:
        self._changes = changes
        self._kinds = frozenset(kinds)
        self._pending: deque[Change] = deque()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()

    def __exit__(self, *_error: object) -> None:
        """Listen no longer."""
        self._changes.forget(self)

    def offer(self, change: Change) -> None:
        """Queue a change of a kind that is listened to."""
        if change.kind in self._kinds:
            self._pending.append(change)
            if not self._loop.is_closed():
                self._loop.call_soon_threadsafe(self._wake.set)

    def waiting(self) -> bool:
        """Say whether `next` would answer at once."""
        return bool(self._pending)

    async def next(self, seconds: float | None = None) -> Change | None:
        """Return the next change, or None when none came in time."""
        while not self._pending:
            self._wake.clear()
            try:
                await asyncio.wait_for(self._wake.wait(), seconds)
            except TimeoutError:
                return None
        return self._pending.popleft()


class Changes:
    """The last writes in order, and the listeners."""

    def __init__(self, revision: int) -> None:
        self._forgotten = revision  # a watch may start at this revision or later
        self._history: deque[Change] = deque(maxlen=REMEMBERED)
        self._listeners: set[Subscription] = set()
        self._lock = threading.Lock()  # listeners leave on the loop while threads write

    def publish(self, change: Change) -> None:
        """Remember a write and tell everybody."""
        if len(self._history) == REMEMBERED:
            self._forgotten = self._history[0].revision
        self._history.append(change)
        with self._lock:
            for listener in self._listeners:
                listener.offer(change)

    def subscribe(self, kinds: Iterable[str], since: int) -> Subscription:
        """Listen to what was written after revision `since`, or raise Expired."""
        if since < self._forgotten:
            raise Expired(f"too old resource version: {since} ({self._forgotten})")
        listener = Subscription(self, kinds)
        for change in self._history:
            if change.revision > since:
                listener.offer(change)
        with self._lock:
            self._listeners.add(listener)
        return listener

    def forget(self, listener: Subscription) -> None:
        """Stop telling a listener."""
        with self._lock:
            self._listeners.discard(listener)
