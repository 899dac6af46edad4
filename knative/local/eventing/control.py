"""What all controllers here share: level-triggered loops, statuses, one task for each object.

A controller is told "something changed" and looks at everything again: a missed or doubled hint
can do no harm. A status is written only when it says something new, so no loop feeds itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from knative.local.conditions import set_condition
from knative.local.errors import NotFound
from knative.local.eventing.sinks import Unresolved, resolve
from knative.local.store import Object, Store

_log = logging.getLogger(__name__)
Problem = tuple[str, str] | None  # reason and message; None: all is well
_Work = Callable[[], Coroutine[Any, Any, None]]


async def follow(store: Store, kinds: tuple[str, ...], step: Callable[[], Awaitable[None]]) -> None:
    """Run `step` now and after every change of these kinds; changes in between count once."""
    changed = asyncio.Event()

    async def listen() -> None:
        async for _event in store.watch(*kinds):
            changed.set()

    async with asyncio.TaskGroup() as group:
        group.create_task(listen())
        while True:
            changed.clear()
            try:
                await step()
            except Exception:  # noqa: BLE001 - one bad object must not end the controller
                _log.exception("a controller's step failed; the next change runs it again")
            await changed.wait()


def report(
    store: Store, obj: Object, fields: Mapping[str, Any], conditions: Mapping[str, Problem]
) -> None:
    """Write an object's status: `fields`, each condition, and Ready when none has a problem."""
    meta = obj["metadata"]
    status: Object = {"conditions": list((obj.get("status") or {}).get("conditions") or [])}
    status |= {"observedGeneration": meta["generation"]} | {k: v for k, v in fields.items() if v}
    problems = [problem for problem in conditions.values() if problem]
    now = datetime.now(UTC)
    for name, problem in {**conditions, "Ready": problems[0] if problems else None}.items():
        reason, message = problem or ("", "")
        set_condition(status, name, "False" if problem else "True", reason, message, now=now)
    with suppress(NotFound):  # deleted meanwhile: nobody is left to tell
        store.update_status(obj["kind"], meta["namespace"], meta["name"], status)


def find_sink(store: Store, obj: Object, destination: Any) -> tuple[str | None, Problem]:
    """Resolve a destination of `obj`: its address, or the problem."""
    try:
        return resolve(store, destination, obj["metadata"]["namespace"]), None
    except Unresolved as missing:
        return None, (missing.reason, missing.message)


class Tasks:
    """One running task a key; `keep` starts what is new and ends what is no longer wanted."""

    def __init__(self) -> None:
        self._running: dict[Hashable, asyncio.Task[None]] = {}

    async def keep(self, wanted: Mapping[Hashable, _Work]) -> None:
        """Make the running tasks those of `wanted`; a key that stays keeps its task."""
        ended = [self._running.pop(key) for key in [*self._running] if key not in wanted]
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended, return_exceptions=True)
        for key, work in wanted.items():
            if key not in self._running or self._running[key].done():
                self._running[key] = asyncio.create_task(work())

    async def end(self) -> None:
        """End them all."""
        await self.keep({})
