"""Sentences a second of ner on bert-base at concurrency 1, 8 and 32: ours, int8, bf16, and peers.

Sentences of 64 tokens, and of 16 to 128. All in float32 but the rows that say otherwise. The servers
take turns; each has all cores but one and as many threads, and the clients have the last core.
`--peers kserve,litserve,bentoml,mlserver` are the default (torchserve and ray are known too),
`--seconds` the length of one measurement. `--cores N` gives the servers N cores, on all of them the
clients share the last.
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
from warmup.forms import FOLDER, STEADY

LEVELS = {1: 1.0, 8: 1.5, 32: 4.0}
"""By concurrency, how much longer than `--seconds` it is measured: batches come in whole."""
MOST = max(LEVELS)
SECONDS = 4.0
PEERS = "kserve,litserve,bentoml,mlserver"
FEWER_BITS = {"int8": "ours, int8", "bf16": "ours, bf16"}
"""Our rows of lower precision, by what `MODEL_PRECISION` says."""


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
    parser.add_argument("--cores", type=int)
    given = parser.parse_args(options.rest)
    contestants, model, scores = chosen(given.peers), bert_base.made(), ner_int8.golden_f1()
    servers, clients = cores.shared_out(given.cores)
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
    _goals_of_fewer_bits(report, found, peers, scores)


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
    for precision, name in FEWER_BITS.items():
        try:
            found |= _of_fewer_bits(name, precision, course)
        except CannotMeasure as reason:
            missing[name] = str(reason)
    return found, missing


def _of_fewer_bits(name: str, precision: str, course: Course) -> Measured:
    if precision == "bf16":  # a server that cannot would answer in float32
        ner_int8.bf16(course.model.folder)
    return _one(name, OURS, course, {"MODEL_PRECISION": precision})


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
    model = course.model.folder / FOLDER / STEADY
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


def _goals_of_fewer_bits(
    report: Report, found: Measured, peers: list[str], scores: Mapping[str, float]
) -> None:
    """State goals for each precision that was measured, and what it loses of F1."""
    best = max(found[name, MIXED, MOST].rate for name in peers)
    for precision, name in FEWER_BITS.items():
        if (name, MIXED, MOST) not in found:
            continue
        rate, score = found[name, MIXED, MOST].rate, scores[precision]
        report.at_least(
            f"{precision} sentences/s at {MOST}, to the best peer", rate / best, 3.0, "times"
        )
        report.row(
            release=ner_int8.RELEASE, golden_f1=scores["fp32"], precision=precision, f1=score
        )
        loss = f"{precision}'s loss of F1, {ner_int8.RELEASE}"
        report.at_most(loss, scores["fp32"] - score, 0.005)
