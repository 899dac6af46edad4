"""From exec to the first HTTP answer, bert-base: ours, peers, and the floor beneath both.

`--runs N` alternating runs (default 7), `--peers kserve,litserve,…` (default all; each gets an
environment of its own). `--pages` says what each start finds in the page cache: `warm` everything,
`model` all but the model's files, `all` nothing (as root; everything on this machine waits for its
disk); empty starts none. `--platform N` wakes ner N times through the local platform, plainly and
by its fork server, and then the chain of inference and ner (default 7, 0 leaves it out).
"""

import argparse
import asyncio
import compileall
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

from scripts.benchmarks import bert_base, coldstart_floor, coldstart_pages, coldstart_platform
from scripts.benchmarks.bert_base import BertBase
from scripts.benchmarks.contestants import OURS, PEERS, Contestant, chosen
from scripts.benchmarks.harness import ROOT, CannotMeasure, Options, Report
from scripts.benchmarks.serving import environment, serving

FLOOR = "floor"
LEAST = {"warm": 10.0, "model": 7.0, "all": 7.0}
MOST_FLOOR, MOST_MEMORY = 1.5, 0.6
Seen = tuple[float, float | None]
"""Seconds to the first answer, and MiB after it."""


@dataclass(slots=True)
class Found:
    """What was measured with the page cache in one state, by server."""

    pages: str
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    missing: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, seen: Seen) -> None:
        """Take what one start took."""
        seconds, size = seen
        self.seconds[name].append(seconds)
        if size is not None:
            self.memory[name].append(size)


def run(report: Report, options: Options) -> None:
    """Start each in turn, again and again."""
    parser = argparse.ArgumentParser(prog="./scripts/bench coldstart")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--pages", default="warm,model")
    parser.add_argument("--platform", type=int, default=7)
    given = parser.parse_args(options.rest)
    states = coldstart_pages.states(given.pages)
    model, contestants = bert_base.made(), chosen(given.peers)
    for name in coldstart_pages.OURS:  # bytecode, as an image has it
        compileall.compile_dir(ROOT / name, quiet=1)
    for pages in states:
        starts = {FLOOR: partial(_twice, partial(_floor, model), pages)}
        for one in contestants:
            starts[one.name] = partial(_twice, partial(_start, one, model), pages)
        _tell(report, _measure(pages, starts, given.runs))
    if given.platform:
        asyncio.run(coldstart_platform.measure(report, model, given.platform))


def _measure(pages: str, starts: Mapping[str, Callable[[], Seen]], runs: int) -> Found:
    """Start all in turn, every other time from the last to the first; who cannot says why."""
    found, order = Found(pages), list(starts)
    for number in range(1, runs + 1):
        begun = time.monotonic()
        for name in order:
            if name not in found.missing:
                try:
                    found.add(name, starts[name]())
                except CannotMeasure as reason:
                    found.missing[name] = str(reason)
        order.reverse()
        print(
            f"{pages}: round {number} of {runs} took {time.monotonic() - begun:.0f} s", flush=True
        )
    return found


def _twice(start: Callable[[str], Seen], pages: str) -> Seen:
    """Start once unmeasured, with warm pages, then measured: each server's own start came before it.

    What ended just before leaves its mark on the memory that a virtual machine has in its hands, and
    the next start pays for what had gone back to the host; for all servers that is now their own.
    """
    start("warm")
    return start(pages)


def _start(contestant: Contestant, model: BertBase, pages: str) -> Seen:
    coldstart_pages.arrange(pages, environment(contestant), model.folder)
    with serving(contestant, model) as started:
        return started.seconds, started.memory()


def _floor(model: BertBase, pages: str) -> Seen:
    coldstart_pages.arrange(pages, environment(OURS), model.folder)
    return coldstart_floor.seconds(model), None


def _tell(report: Report, found: Found) -> None:
    if OURS.name in found.missing:
        raise CannotMeasure(found.missing[OURS.name])
    median = {name: statistics.median(seconds) for name, seconds in found.seconds.items()}
    size = {name: statistics.median(sizes) for name, sizes in found.memory.items()}
    for name, seconds in found.seconds.items():
        report.row(
            pages=found.pages,
            server=name,
            median_s=median[name],
            fastest_s=min(seconds),
            slowest_s=max(seconds),
            times_ours=median[name] / median[OURS.name],
            memory_MiB=size.get(name),
            runs=float(len(seconds)),
        )
    for name, reason in found.missing.items():
        report.row(pages=found.pages, not_run=name, because=reason)
    _judge(report, found.pages, median, size)


def _judge(
    report: Report, pages: str, median: Mapping[str, float], size: Mapping[str, float]
) -> None:
    """Set the goals: against the quickest peer, the floor, and the smallest peer."""
    ours = median[OURS.name]
    peers = [name for name in size if name != OURS.name]
    if peers:
        quickest, smallest = min(median[name] for name in peers), min(size[name] for name in peers)
        report.at_least(
            f"{pages}: faster than the best peer", quickest / ours, LEAST[pages], "times"
        )
        memory = size[OURS.name] / smallest
        report.at_most(f"{pages}: memory, to the smallest peer", memory, MOST_MEMORY, "times")
    if FLOOR in median:
        report.at_most(f"{pages}: time, to the floor", ours / median[FLOOR], MOST_FLOOR, "times")
