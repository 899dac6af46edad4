"""From exec to the first HTTP answer, bert-base: ours, peers, and the floor beneath both.

`--runs N` alternating runs (default 7), `--peers kserve,litserve,bentoml` (each gets an environment
of its own), `--dropped` drops the model's pages from the page cache before each start.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

from scripts.benchmarks import bert_base
from scripts.benchmarks.bert_base import BertBase
from scripts.benchmarks.contestants import OURS, Contestant, chosen, serving
from scripts.benchmarks.harness import Options, Report

FLOOR = "floor"
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


def run(report: Report, options: Options) -> None:
    """Start each in turn, again and again."""
    parser = argparse.ArgumentParser(prog="./scripts/bench coldstart")
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peers", default="")
    parser.add_argument("--dropped", action="store_true")
    given = parser.parse_args(options.rest)
    model, contestants = bert_base.made(), chosen(given.peers)
    seconds, memory = defaultdict[str, list[float]](list), defaultdict[str, list[float]](list)
    for _ in range(given.runs):
        for contestant in contestants:
            _drop(model, dropped=given.dropped)
            _start(contestant, model, seconds, memory)
        _drop(model, dropped=given.dropped)
        seconds[FLOOR].append(_floor(model))
    _tell(report, seconds, memory)


def _start(
    contestant: Contestant,
    model: BertBase,
    seconds: dict[str, list[float]],
    memory: dict[str, list[float]],
) -> None:
    with serving(contestant, model) as started:
        seconds[contestant.name].append(started.seconds)
        memory[contestant.name].append(started.memory())


def _tell(report: Report, seconds: dict[str, list[float]], memory: dict[str, list[float]]) -> None:
    median = {name: statistics.median(found) for name, found in seconds.items()}
    size = {name: statistics.median(found) for name, found in memory.items()}
    for name, found in seconds.items():
        report.row(
            server=name,
            median_s=median[name],
            fastest_s=min(found),
            slowest_s=max(found),
            times_ours=median[name] / median[OURS.name],
            memory_MiB=size.get(name),
            runs=float(len(found)),
        )
    peers = [name for name in size if name != OURS.name]
    quickest, smallest = min(median[name] for name in peers), min(size[name] for name in peers)
    report.at_least("faster than the best peer", quickest / median[OURS.name], 10, "times")
    report.at_most("time, to the floor", median[OURS.name] / median[FLOOR], 1.5, "times")
    report.at_most("memory, to the best peer", size[OURS.name] / smallest, 0.6, "times")


def _floor(model: BertBase) -> float:
    begun = time.monotonic()
    prepared = model.folder / "onnx" / "model.onnx"
    subprocess.run([sys.executable, "-c", _FLOOR, str(prepared)], check=True)
    return time.monotonic() - begun


def _drop(model: BertBase, *, dropped: bool) -> None:
    """Ask the kernel to forget the model's files; clean pages that nobody maps go at once."""
    files = [path for path in model.folder.rglob("*") if path.is_file()] if dropped else []
    for path in files:
        _forget(path)


def _forget(path: Path) -> None:
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
        os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(file)
