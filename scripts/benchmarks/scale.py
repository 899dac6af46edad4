"""From 10^4 to 10^9 questions a day: replicas, cores, latency, and what breaks first (simulated).

`--svg FILE` draws it. `--ner`, `--coldstart` and `--demo` take measured figures from the JSON files of
`bench ner`, `bench coldstart` and `demo`; `--pod-seconds` is what a cluster adds to each start.
"""

import argparse
from dataclasses import replace
from pathlib import Path

from scripts.benchmarks import scale_breaks, scale_day, scale_picture
from scripts.benchmarks.harness import Options, Report
from scripts.benchmarks.scale_day import Day, Days
from scripts.benchmarks.scale_facts import Facts, manifests, read

SIZES = (1e4, 1e5, 1e6, 1e7, 1e8, 1e9)
Found = dict[float, Days]


def run(report: Report, options: Options) -> None:
    """Live through a day of each size."""
    given = _arguments(options)
    facts = read(Facts(), given.ner, given.coldstart, given.demo)
    if given.pod_seconds is not None:
        facts = replace(facts, pod_seconds=given.pod_seconds)
    found = {size: scale_day.days(size, facts, options.seed) for size in SIZES}
    _tell(report, found)
    for size, lived in found.items():
        first = scale_breaks.told(lived.warmed.peak, facts, manifests("production"))
        report.row(questions_a_day=_size(size), breaks_first=first)
    _goals(report, found)
    if given.svg:
        given.svg.write_text(_drawn(found))


def _tell(report: Report, found: Found) -> None:
    for size, lived in found.items():
        _replicas(report, size, lived.warmed)
    for size, lived in found.items():
        _cost(report, size, lived)
    for size, lived in found.items():
        _latency(report, size, "with warm-up", lived.warmed)
        _latency(report, size, "without", lived.plain)
        _latency(report, size, "production's targets", lived.production)
        _latency(report, size, "base's targets", lived.base)


def _arguments(options: Options) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./scripts/bench scale")
    for name in ("svg", "ner", "coldstart", "demo"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--pod-seconds", type=float)
    return parser.parse_args(options.rest)


def _replicas(report: Report, size: float, day: Day) -> None:
    report.row(
        questions_a_day=_size(size),
        peak_a_second=day.peak.rate,
        inference_mean=day.replicas[0],
        inference_peak=float(day.peak.questions),
        ner_mean=day.replicas[1],
        ner_peak=float(day.peak.ner),
    )


def _cost(report: Report, size: float, lived: Days) -> None:
    report.row(
        questions_a_day=_size(size),
        core_seconds=lived.warmed.core_seconds,
        without_warm_up=lived.plain.core_seconds,
        targets_of_production=lived.production.core_seconds,
        targets_of_base=lived.base.core_seconds,
        always_on=lived.always_on,
        to_always_on=lived.warmed.core_seconds / lived.always_on,
    )


def _latency(report: Report, size: float, how: str, day: Day) -> None:
    p50, p95, p99 = day.percentiles
    report.row(
        questions_a_day=_size(size),
        warm_up=how,
        p50_s=p50,
        p95_s=p95,
        p99_s=p99,
        waited_percent=day.waited * 100,
    )


def _goals(report: Report, found: Found) -> None:
    for size, lived in found.items():
        cost = lived.warmed.core_seconds / lived.always_on
        report.at_most(f"{_size(size)} a day: cores, to always on", cost, 1.0, "times")
        late = lived.warmed.percentiles[2] / lived.plain.percentiles[2]
        report.at_most(f"{_size(size)} a day: p99, to that without warm-up", late, 1.01, "times")
        for name, day in (("production", lived.production), ("base", lived.base)):
            late = day.percentiles[2] / lived.warmed.percentiles[2]
            goal = f"{_size(size)} a day: p99 by {name}'s targets, to that by a core's own rate"
            report.at_most(goal, late, 1.5, "times")


def _drawn(found: Found) -> str:
    lived = list(found.values())
    cost = {
        "warmed up": [days.warmed.core_seconds for days in lived],
        "without": [days.plain.core_seconds for days in lived],
        "base's targets": [days.base.core_seconds for days in lived],
        "always on": [days.always_on for days in lived],
    }
    latency = {
        "p99, warmed up": [days.warmed.percentiles[2] for days in lived],
        "without": [days.plain.percentiles[2] for days in lived],
        "base's targets": [days.base.percentiles[2] for days in lived],
        "p50, warmed up": [days.warmed.percentiles[0] for days in lived],
    }
    panels = {"core seconds a day": cost, "seconds a question": latency}
    return scale_picture.draw(list(found), panels)


def _size(size: float) -> str:
    return f"{size:.0e}".replace("e+0", "e")
