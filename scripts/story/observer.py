"""Watches a Service while a step runs: every change of its traffic, every phase of its rollout."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from scripts.story.report import Narrator
from scripts.story.world import POLL_SECONDS, World


@dataclass(slots=True)
class History:
    """`traffic`: [{seconds, <revision>: percent …}], one entry a change. `phases` in order."""

    traffic: list[dict[str, Any]] = field(default_factory=list)
    phases: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def heaviest(self, revision: str) -> int:
        """Return the most percent that `revision` ever had."""
        return max((int(entry.get(revision, 0)) for entry in self.traffic), default=0)


@asynccontextmanager
async def observe(world: World, service: str, narrator: Narrator) -> AsyncIterator[History]:
    """Record `service` while the block runs, its end included, and say what changes."""
    history = History()
    look = partial(_look, world, service, narrator, history)
    task = asyncio.create_task(_repeat(look))
    try:
        yield history
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await look()


async def _repeat(look: Callable[[], Awaitable[None]]) -> None:
    while True:
        await look()
        await asyncio.sleep(POLL_SECONDS)


async def _look(world: World, service: str, narrator: Narrator, history: History) -> None:
    split = percents(await world.service(service))
    if split and (not history.traffic or _split(history.traffic[-1]) != split):
        seconds = round(time.monotonic() - history.started, 1)
        history.traffic.append({"seconds": seconds, **split})
        narrator.say("traffic  " + bar(split))
    state = await world.rollout(service)
    if state and (not history.phases or history.phases[-1] != state.phase.value):
        history.phases.append(state.phase.value)
        narrator.say(f"rollout  {state.phase.value}: {state.reason}")


def percents(service: dict[str, Any]) -> dict[str, int]:
    """Return what each Revision serves now, in percent, from the Service's status."""
    split: dict[str, int] = {}
    for target in service.get("status", {}).get("traffic", []):
        if target.get("percent"):
            name = target["revisionName"]
            split[name] = split.get(name, 0) + target["percent"]
    return split


def bar(split: dict[str, int]) -> str:
    """Return the split as text: a bar and the names."""
    parts = (f"{name} {'█' * max(1, share // 5)} {share} %" for name, share in split.items())
    return "   ".join(parts)


def _split(entry: dict[str, Any]) -> dict[str, int]:
    return {name: share for name, share in entry.items() if name != "seconds"}
