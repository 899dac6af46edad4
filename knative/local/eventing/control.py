"""What all controllers here share: level-triggered loops, statuses, and how a source is kept.

A controller is told "something changed" and looks at everything again: a missed or doubled hint
can do no harm. A status is written only when it says something new, so no loop feeds itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from knative.local.conditions import set_condition
from knative.local.errors import NotFound
from knative.local.eventing.sinks import SINKS, Unresolved, resolve
from knative.local.store import Object, Store

_log = logging.getLogger(__name__)
Problem = tuple[str, str] | None  # reason and message; None: all is well
_Work = Callable[[], Coroutine[Any, Any, None]]


@dataclass(frozen=True, slots=True)
class Judged:
    """What a source comes to: its conditions, more of its status, and what runs while it stays so."""

    conditions: Mapping[str, Problem]
    fields: Mapping[str, Any] = field(default_factory=dict)
    work: _Work | None = None


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
        reason, message = missing.args
        return None, (reason, message)


async def keep_sources(
    store: Store, kind: str, judge: Callable[[Object, str | None], Judged], *also: str
) -> None:
    """Keep all sources of a kind as `judge` says of each and its sink; `also` it looks at these kinds."""
    running: dict[Hashable, asyncio.Task[None]] = {}

    async def step() -> None:
        wanted: dict[Hashable, _Work] = {}
        for obj in store.list(kind):
            sink, unresolved = find_sink(store, obj, obj["spec"].get("sink"))
            judged = judge(obj, sink)
            conditions = {"SinkProvided": unresolved, **judged.conditions}
            report(store, obj, {"sinkUri": sink, **judged.fields}, conditions)
            if sink and judged.work:
                wanted[obj["metadata"]["uid"], obj["metadata"]["generation"], sink] = judged.work
        await _keep(running, wanted)

    try:
        await follow(store, (kind, *SINKS, *also), step)
    finally:
        await _keep(running, {})


async def _keep(
    running: dict[Hashable, asyncio.Task[None]], wanted: Mapping[Hashable, _Work]
) -> None:
    """Make the running tasks those that are wanted; a key that stays keeps its task."""
    ended = [running.pop(key) for key in [*running] if key not in wanted]
    for task in ended:
        task.cancel()
    await asyncio.gather(*ended, return_exceptions=True)
    for key, work in wanted.items():
        if key not in running or running[key].done():
            running[key] = asyncio.create_task(work())
