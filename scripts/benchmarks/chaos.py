"""Load while Services are deployed, split, deleted and killed at random: what is lost, what is left.

`--seconds` (600) of it, repeatable by `--seed`. A request is lost when its caller gets no answer or
a bad one; only at a process that was killed by SIGKILL in that moment is 503, or an answer that ends
too early, the truth: counted apart. Before and afterwards nothing is deployed, and processes and open files are compared.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import psutil

from knative.serving.client import SERVICES
from scripts.benchmarks.harness import CannotMeasure, Options, Report
from scripts.benchmarks.havoc import Done, Havoc, functions
from scripts.benchmarks.laptop import Laptop, laptop

SECONDS = 600.0
NAMES = ("web-a", "web-b", "limited")
CALLERS = 8
QUIET_SECONDS = 9.0  # longer than the window, so that every Service sleeps now and then
LONGEST = 0.3  # seconds that a function works
AFTER_A_KILL = 0.1  # seconds until the routes know that a process is gone
CUT = ("503", "RemoteProtocolError('peer closed connection without sending complete message body")
CLOSING = 10.0  # seconds
MOST_MORE_FILES = 8  # pools breathe; a leak of one a deployment is far more


Files = Counter[str]
"""How many a process has open of each kind of file."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request: of whom, from when to when, and what came (empty: 200)."""

    service: str
    began: float
    ended: float
    problem: str


@dataclass(slots=True)
class Found:
    """What a run found."""

    asked: list[Asked] = field(default_factory=list)
    done: Done = field(default_factory=Done)
    orphans: int = 0
    files: dict[str, tuple[Files, Files]] = field(default_factory=dict)  # before, after

    def bad(self) -> tuple[list[Asked], list[Asked]]:
        """Return the requests that were lost, and those whose process was killed."""
        bad = [asked for asked in self.asked if asked.problem]
        killed = [asked for asked in bad if _was_killed(asked, self.done.kills)]
        return [asked for asked in bad if asked not in killed], killed


def run(report: Report, options: Options) -> None:
    """Do it, and say what was found."""
    found = asyncio.run(measure(options.seconds or SECONDS, options.seed))
    lost, killed = found.bad()
    report.row(requests=len(found.asked), lost=len(lost), at_a_killed_process=len(killed))
    for what, times in sorted(found.done.acts.items()):
        report.row(act=what, times=times)
    for process, (before, after) in found.files.items():
        more = ", ".join(f"{count} {kind}" for kind, count in (after - before).items())
        report.row(process=process, before=before.total(), after=after.total(), more_open=more)
    for problem in sorted({asked.problem for asked in lost} | {*found.done.troubles}):
        report.row(problem=problem)
    report.equal("requests lost", len(lost) + len(found.done.troubles), 0)
    report.equal("orphan processes", found.orphans, 0)
    most = max(after.total() - before.total() for before, after in found.files.values())
    report.at_most("more open files than before", most, MOST_MORE_FILES)


async def measure(seconds: float, seed: int) -> Found:
    """Run a platform under load and havoc for that long."""
    async with laptop() as local:
        havoc = Havoc(local, random.Random(seed))  # noqa: S311 - repeatable, not secret
        found = Found(done=havoc.done)
        await _populate(local, havoc)
        await _empty(local)
        before = _open_files(local)
        await _populate(local, havoc)
        await _storm(local, havoc, found, time.monotonic() + seconds)
        await local.http.aclose()  # its connections are open files of the gateway
        await _empty(local)
        with suppress(CannotMeasure):  # connections that nobody uses are closed within seconds
            await local.until(partial(_as_few, local, before), "files are closed", CLOSING)
        after = _open_files(local)
        found.files = {name: (before[name], after[name]) for name in before}
        found.orphans = len(functions(local))
    return found


async def _populate(local: Laptop, havoc: Havoc) -> None:
    for name in NAMES:
        await local.create(havoc.service(name))


async def _empty(local: Laptop) -> None:
    """Delete everything; what runs in spite of it is for the caller to count."""
    for name in NAMES:
        await local.kube.delete(SERVICES, name)
    with suppress(CannotMeasure):
        await local.until(partial(_nothing_runs, local), "nothing runs")


async def _as_few(local: Laptop, before: dict[str, Files]) -> bool:
    after = _open_files(local)
    return all(after[name].total() <= before[name].total() for name in before)


async def _nothing_runs(local: Laptop) -> bool:
    return not functions(local)


async def _storm(local: Laptop, havoc: Havoc, found: Found, end: float) -> None:
    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            draw = random.Random(number)  # noqa: S311 - repeatable, not secret
            group.create_task(_call(local, draw, found.asked, end))
        while time.monotonic() < end:
            await havoc.act(havoc.draw.choice(NAMES))
            await asyncio.sleep(havoc.draw.uniform(0, 1))


async def _call(local: Laptop, draw: random.Random, asked: list[Asked], end: float) -> None:
    while (began := time.monotonic()) < end:
        name = draw.choice(_awake(began))
        path = f"/?seconds={draw.uniform(0, LONGEST):.3f}"
        problem = await _ask(local, name, path)
        asked.append(Asked(name, began, time.monotonic(), problem))


def _awake(now: float) -> Sequence[str]:
    """Name the Services that are called at this time; each in turn is left alone for a while."""
    quiet = int(now / QUIET_SECONDS) % len(NAMES)
    return [name for place, name in enumerate(NAMES) if place != quiet]


async def _ask(local: Laptop, name: str, path: str) -> str:
    try:
        answer = await local.get(name, path)
    except httpx.HTTPError as error:
        return repr(error)
    return "" if answer.status_code == httpx.codes.OK else f"{answer.status_code} {answer.text}"


def _was_killed(asked: Asked, kills: Sequence[tuple[str, float]]) -> bool:
    return asked.problem.startswith(CUT) and any(
        name == asked.service and asked.began - AFTER_A_KILL <= at <= asked.ended
        for name, at in kills
    )


def _open_files(local: Laptop) -> dict[str, Files]:
    """Count the open files of the platform's own processes, by kind."""
    platform = psutil.Process(local.running.process.pid)
    own = [platform, *platform.children(recursive=True)]
    return {f"{place} {process.name()}": _kinds(process) for place, process in enumerate(own)}


def _kinds(process: psutil.Process) -> Files:
    """Name each open file by what it is: a connection's state, or a file's name."""
    states = {each.fd: f"TCP {each.status}" for each in process.net_connections("tcp")}
    found = Files()
    for handle in Path(f"/proc/{process.pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            what = handle.readlink().name
            found[states.get(int(handle.name), what.partition(":[")[0])] += 1
    return found
