"""Cold-start share against idle cost: forecast, fixed keep-alive, hybrid histogram, optimum.

`--svg FILE` draws it. Ours runs at the idle cost of each policy that it is compared with, and at
some budgets between.
"""

import argparse
from pathlib import Path

from scripts.benchmarks import forecast_picture
from scripts.benchmarks.forecast_policies import (
    Outcome,
    clairvoyant,
    hybrid_histogram,
    keep_alive,
    ours,
    true_rates,
)
from scripts.benchmarks.forecast_traces import Trace, all_traces
from scripts.benchmarks.harness import Options, Report

Found = dict[str, Outcome]
COMPARED = {"keep-alive 10 min": "ours, as 10 min", "hybrid histogram": "ours, as histogram"}
ROOM = 0.97  # of their idle cost: a window may end with savings of an earlier one spent
HALVED = ("office hours", "campaigns")


def run(report: Report, options: Options) -> None:
    """Replay every trace under every policy."""
    parser = argparse.ArgumentParser(prog="./scripts/bench forecast")
    parser.add_argument("--svg", type=Path, help="draw the outcome to this file")
    svg: Path | None = parser.parse_args(options.rest).svg
    found = {trace.name: _compare(trace) for trace in all_traces(options.seed)}
    for trace, outcomes in found.items():
        for policy, outcome in outcomes.items():
            report.row(
                trace=trace,
                policy=policy,
                cold_percent=outcome.cold * 100,
                idle_seconds_a_day=outcome.idle,
            )
    _goals(report, found)
    if svg:
        svg.write_text(forecast_picture.draw(found))


def _compare(trace: Trace) -> Found:
    fixed = {
        f"keep-alive {minutes} min": keep_alive(trace, minutes * 60.0) for minutes in (1, 10, 60)
    }
    others = {
        "never warm": keep_alive(trace, 0.0),
        **fixed,
        "hybrid histogram": hybrid_histogram(trace),
    }
    budgets = {name: others[theirs].idle * ROOM for theirs, name in COMPARED.items()}
    budgets["ours, half of 10 min"] = budgets[COMPARED["keep-alive 10 min"]] / 2
    return {
        **others,
        **{name: ours(trace, budget) for name, budget in budgets.items()},
        "true rates, as 10 min": true_rates(trace, others["keep-alive 10 min"].idle),
        "clairvoyant": clairvoyant(trace),
    }


def _goals(report: Report, found: dict[str, Found]) -> None:
    for trace in HALVED:
        outcomes = found[trace]
        theirs, mine = outcomes["keep-alive 10 min"], outcomes["ours, as 10 min"]
        best = outcomes["true rates, as 10 min"]
        report.at_most(
            f"{trace}: cold starts, to those of 10 min", mine.cold / theirs.cold, 0.5, "times"
        )
        report.at_most(
            f"{trace}: the same, if all rates were known", best.cold / theirs.cold, 0.5, "times"
        )
        report.at_most(
            f"{trace}: idle cost, to that of 10 min", mine.idle / theirs.idle, 1.0, "times"
        )
    for trace, outcomes in found.items():
        theirs, mine = outcomes["hybrid histogram"], outcomes["ours, as histogram"]
        if theirs.cold:
            label = f"{trace}: cold starts, to those of the hybrid histogram at its idle cost"
            report.at_most(label, mine.cold / theirs.cold, 1.0, "times")
