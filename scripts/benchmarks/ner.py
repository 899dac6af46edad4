"""Sentences a second of ner on bert-base at concurrency 1, 8 and 32: ours, int8, and peers.

Sentences of 64 tokens, and of 16 to 128. All in float32 but the row that says int8. The servers
take turns; each has all cores but one and as many threads, and the clients have the last core.
`--peers kserve,litserve,bentoml,mlserver` are the default (torchserve and ray are known too),
`--seconds` the length of one measurement.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from scripts.benchmarks import bert_base, cores, ner_int8, ner_load
from scripts.benchmarks.bert_base import BertBase
from scripts.benchmarks.contestants import OURS, Contestant, chosen
from scripts.benchmarks.harness import ROOT, CannotMeasure, Options, Report
from scripts.benchmarks.ner_load import MIXED, Pace
from scripts.benchmarks.serving import Started, serving

LEVELS = {1: 1.0, 8: 1.5, 32: 4.0}
"""By concurrency, how much longer than `--seconds` it is measured: batches come in whole."""
MOST = max(LEVELS)
SECONDS = 4.0
PEERS = "kserve,litserve,bentoml,mlserver"
INT8 = "ours, int8"


@dataclass(frozen=True, slots=True)
class Found:
    """Sentences a second, the 95th percentile in seconds, and MiB, at one kind and level."""

    rate: float
    late: float
    memory: float


Measured = dict[tuple[str, str, int], Found]
"""By server, kind of sentence, and concurrency."""


@dataclass(frozen=True, slots=True)
class Course:
    """What all servers share: the model, the cores, and how long one measurement takes."""

    model: BertBase
    cores: tuple[int, ...]
    seconds: float

    @property
    def environ(self) -> Mapping[str, str]:
        """As many threads as cores, by every library's own name for it."""
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "MODEL_THREADS")
        return dict.fromkeys(names, str(len(self.cores)))


def run(report: Report, options: Options) -> None:
    """Measure each server in turn, at each level."""
    parser = argparse.ArgumentParser(prog="./scripts/bench ner")
    parser.add_argument("--peers", default=PEERS)
    contestants = chosen(parser.parse_args(options.rest).peers)
    model = bert_base.made()
    servers, clients = cores.shared_out()
    with cores.bound({clients}):
        course = Course(model, servers, options.seconds or SECONDS)
        ceilings = [_ceiling(course)]
        found, missing = _all(course, contestants)
        ceilings.append(_ceiling(course))
    for (name, kind, level), one in found.items():
        report.row(
            server=name,
            tokens=kind,
            concurrency=float(level),
            sentences_s=one.rate,
            p95_s=one.late,
            memory_MiB=one.memory,
        )
    for name, reason in missing.items():
        report.row(not_measured=name, because=reason)
    peers = [one.name for one in contestants if one is not OURS and one.name not in missing]
    _goals(report, found, peers, _best(report, ceilings))
    _int8_goals(report, found, peers)


def _all(course: Course, contestants: list[Contestant]) -> tuple[Measured, dict[str, str]]:
    """Measure all; one that cannot be measured says why. Ours must be."""
    found, missing = Measured(), dict[str, str]()
    for contestant in contestants:
        try:
            found |= _one(contestant.name, contestant, course, {})
        except CannotMeasure as reason:
            if contestant is OURS:
                raise
            missing[contestant.name] = str(reason)
    return found | _one(INT8, OURS, course, {"MODEL_PRECISION": "int8"}), missing


def _one(name: str, contestant: Contestant, course: Course, more: Mapping[str, str]) -> Measured:
    print(f"{name} …", file=sys.stderr)
    environ = {**course.environ, **more}
    with serving(contestant, course.model, environ, course.cores) as started:
        ner_load.settle(contestant, started.url)
        return {
            (name, kind, level): _found(
                contestant, started, kind, Pace(level, share * course.seconds)
            )
            for kind in ner_load.KINDS
            for level, share in LEVELS.items()
        }


def _found(contestant: Contestant, started: Started, kind: str, pace: Pace) -> Found:
    rate, late = ner_load.measure(contestant, started.url, kind, pace)
    return Found(rate, late, started.memory())


def _ceiling(course: Course) -> dict[str, float]:
    """Return sentences a second of a bare loop, by kind."""
    print("the bare loop …", file=sys.stderr)
    command = ["taskset", "-c", ",".join(map(str, course.cores)), sys.executable]
    model = course.model.folder / "onnx" / "model.onnx"
    command += ["-m", "scripts.benchmarks.ner_bare", str(model), str(len(course.cores))]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    rates: dict[str, float] = json.loads(done.stdout)
    return rates


def _best(report: Report, ceilings: list[dict[str, float]]) -> dict[str, float]:
    """Return the higher ceiling of each kind; how far both are apart says how calm it was."""
    before, after = ceilings
    for kind in before:
        report.row(bare_loop=kind, before_sentences_s=before[kind], after_sentences_s=after[kind])
    return {kind: max(before[kind], after[kind]) for kind in before}


def _goals(report: Report, found: Measured, peers: list[str], ceiling: Mapping[str, float]) -> None:
    for kind, rate in ceiling.items():
        share = found[OURS.name, kind, MOST].rate / rate
        report.at_least(
            f"sentences/s of {kind} tokens at {MOST}, to a bare loop", share, 0.9, "times"
        )
    best = max(found[name, MIXED, MOST].rate for name in peers)
    ours = found[OURS.name, MIXED, MOST]
    report.at_least(f"sentences/s at {MOST}, to the best peer", ours.rate / best, 1.5, "times")
    for kind in ner_load.KINDS:
        for level in LEVELS:
            least = min(found[name, kind, level].late for name in peers)
            share = found[OURS.name, kind, level].late / least
            report.at_most(
                f"p95 of {kind} tokens at {level}, to the best peer", share, 1.0, "times"
            )
    small = min(found[name, MIXED, MOST].memory for name in peers)
    report.at_most("memory, to the smallest peer", ours.memory / small, 0.65, "times")


def _int8_goals(report: Report, found: Measured, peers: list[str]) -> None:
    best = max(found[name, MIXED, MOST].rate for name in peers)
    rate = found[INT8, MIXED, MOST].rate
    report.at_least(f"int8 sentences/s at {MOST}, to the best peer", rate / best, 3.0, "times")
    full, eight = ner_int8.golden_f1()
    report.row(release=ner_int8.RELEASE, golden_f1=full, golden_f1_int8=eight)
    report.at_most(f"int8's loss of F1, {ner_int8.RELEASE}", full - eight, 0.005)
