"""From exec to the first HTTP answer, bert-base: ours, peers, and the floor beneath both.

`--runs N` alternating runs (default 7), `--peers kserve,litserve,…` (default all; each gets an
environment of its own). `--pages` says what a start finds in the page cache: `warm` everything,
`model` all but the model's files, `all` nothing (as root; everything on this machine waits for its
disk). `--platform N` wakes ner N times through the local platform, plainly and by its fork server,
and then the chain of inference and ner (default 7, 0 leaves it out).
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scripts.benchmarks import bert_base, coldstart_platform
from scripts.benchmarks.bert_base import BertBase
from scripts.benchmarks.contestants import OURS, PEERS, Contestant, chosen, serving
from scripts.benchmarks.harness import CannotMeasure, Options, Report

FLOOR = "floor"
LEAST = {"warm": 10.0, "model": 7.0, "all": 7.0}
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_FLOOR = """
import mmap, sys
import numpy, onnxruntime
model = sys.argv[1]
with open(model + ".data", "rb") as file:
    weights = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    touched = sum(weights[at] for at in range(0, len(weights), mmap.PAGESIZE))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.add_session_config_entry("session.disable_prepacking", "1")
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
ids = numpy.ones((1, 16), numpy.int64)
session.run(None, {"input_ids": ids, "attention_mask": ids, "token_type_ids": ids * 0})
"""
_LEAN = {"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}
"""What ours sets for itself; without it the floor would be higher than it is."""


@dataclass(slots=True)
class Found:
    """What was measured with the page cache in one state, by server."""

    pages: str
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    memory: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def run(report: Report, options: Options) -> None:
    """Start each in turn, again and again."""
    parser = argparse.ArgumentParser(prog="./scripts/bench coldstart")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", default=",".join(PEERS))
    parser.add_argument("--pages", default="warm,model")
    parser.add_argument("--platform", type=int, default=7)
    given = parser.parse_args(options.rest)
    model, contestants = bert_base.made(), chosen(given.peers)
    for pages in filter(None, given.pages.split(",")):
        _tell(report, _measure(contestants, model, pages, given.runs))
    if given.platform:
        asyncio.run(coldstart_platform.measure(report, model, given.platform))


def _measure(contestants: Sequence[Contestant], model: BertBase, pages: str, runs: int) -> Found:
    found, able = Found(pages), list(contestants)
    first = 0 if pages == "warm" else 1  # one more, not counted, makes the page cache warm
    for number in range(first, runs + 1):
        for contestant in list(able):
            try:
                _start(contestant, model, found if number else Found(pages))
            except CannotMeasure as error:
                print(f"{contestant.name} takes no part: {error}")
                able.remove(contestant)
        _forget(model, pages)
        seconds = _floor(model)
        found.seconds[FLOOR] += [seconds] if number else []
    return found


def _start(contestant: Contestant, model: BertBase, found: Found) -> None:
    _forget(model, found.pages)
    with serving(contestant, model) as started:
        found.seconds[contestant.name].append(started.seconds)
        found.memory[contestant.name].append(started.memory())


def _tell(report: Report, found: Found) -> None:
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
    peers = [name for name in size if name != OURS.name]
    quickest, smallest = min(median[name] for name in peers), min(size[name] for name in peers)
    ours, pages = median[OURS.name], found.pages
    report.at_least(f"{pages}: faster than the best peer", quickest / ours, LEAST[pages], "times")
    report.at_most(f"{pages}: time, to the floor", ours / median[FLOOR], 1.5, "times")
    report.at_most(f"{pages}: memory, to the best peer", size[OURS.name] / smallest, 0.6, "times")


def _floor(model: BertBase) -> float:
    begun = time.monotonic()
    prepared = model.folder / "onnx" / "model.onnx"
    subprocess.run(
        [sys.executable, "-c", _FLOOR, str(prepared)], check=True, env={**os.environ, **_LEAN}
    )
    return time.monotonic() - begun


def _forget(model: BertBase, pages: str) -> None:
    """Let the kernel forget what `pages` says; clean pages that nobody maps go at once."""
    if pages == "all":
        try:
            os.sync()
            _DROP_CACHES.write_text("1")
        except OSError as error:
            raise CannotMeasure(f"the page cache cannot be dropped: {error}") from error
    elif pages == "model":
        for path in model.folder.rglob("*"):
            if path.is_file():
                _forget_file(path)


def _forget_file(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
