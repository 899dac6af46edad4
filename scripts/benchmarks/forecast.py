"""Cold-start share against idle cost: forecast, fixed keep-alive, hybrid histogram, optimum.

`--svg FILE` draws it. `--arrivals FILE` replays your own instead, the Unix time of each on a line. Ours
runs at the idle cost of each policy that it is compared with, never above it.
"""

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path

from scripts.benchmarks import forecast_own, forecast_picture
from scripts.benchmarks.forecast_bounds import causal_optimum, clairvoyant
from scripts.benchmarks.forecast_ours import foretold, ours_at
from scripts.benchmarks.forecast_policies import Outcome, hybrid_histogram, keep_alive
from scripts.benchmarks.forecast_traces import WITH_JOBS, Trace, all_traces
from scripts.benchmarks.harness import Options, Report

Found = dict[str, Outcome]
FIXED, HYBRID = "keep-alive 10 min", "hybrid histogram"
COMPARED = {FIXED: "as 10 min", HYBRID: "as histogram"}


def run(report: Report, options: Options) -> None:
    """Replay every trace under every policy."""
    parser = argparse.ArgumentParser(prog="./scripts/bench forecast")
    parser.add_argument("--svg", type=Path, help="draw the outcome to this file")
    parser.add_argument("--arrivals", type=Path, help="replay these, one Unix time a line")
    given = parser.parse_args(options.rest)
    if given.arrivals:
        own = forecast_own.read(given.arrivals)
        found = {own.name: _compare(own, known=False)}
    else:
        found = {trace.name: _compare(trace, known=True) for trace in all_traces(options.seed)}
    _tell(report, found)
    if given.svg:
        given.svg.write_text(forecast_picture.draw(found))


def _tell(report: Report, found: dict[str, Found]) -> None:
    for trace, outcomes in found.items():
        for policy, outcome in outcomes.items():
            report.row(
                trace=trace,
                policy=policy,
                cold_percent=outcome.cold * 100,
                idle_seconds_a_day=outcome.idle,
            )
    for trace, outcomes in found.items():
        _row(report, trace, outcomes)
    _goals(report, found)


def _compare(trace: Trace, *, known: bool) -> Found:
    """Replay them all; whose rates are not `known` has no optimum but the clairvoyant's."""
    others = {
        "never warm": keep_alive(trace, 0.0),
        **{f"keep-alive {many} min": keep_alive(trace, many * 60.0) for many in (1, 10, 60)},
        HYBRID: hybrid_histogram(trace),
    }
    causal: dict[str, Callable[[float], Outcome]] = {"ours": partial(ours_at, foretold(trace))}
    if known:
        causal["optimum"] = partial(causal_optimum, trace)
    at_their_cost = {
        f"{who}, {cost}": replayed(others[theirs].idle)
        for theirs, cost in COMPARED.items()
        for who, replayed in causal.items()
    }
    return {**others, **at_their_cost, "clairvoyant": clairvoyant(trace)}


def _row(report: Report, trace: str, outcomes: Found) -> None:
    """Say what matters in ratios: cold starts to theirs, at their idle cost."""
    ratios = {
        f"{who}_to_{theirs.replace(' ', '_')}": _ratio(outcomes, f"{who}, {cost}", theirs)
        for theirs, cost in COMPARED.items()
        for who in ("ours", "optimum")
    }
    report.row(trace=trace, **ratios)


def _goals(report: Report, found: dict[str, Found]) -> None:
    for trace, outcomes in found.items():
        if trace.partition(",")[0] in WITH_JOBS:
            _at_most(report, trace, outcomes, FIXED, 0.5)
            cost = outcomes["ours, as 10 min"].idle / outcomes[FIXED].idle
            report.at_most(f"{trace}: idle cost, to that of {FIXED}", cost, 1.0, "times")
    for trace, outcomes in found.items():
        _at_most(report, trace, outcomes, HYBRID, 1.0)


def _at_most(report: Report, trace: str, outcomes: Found, theirs: str, goal: float) -> None:
    ratio = _ratio(outcomes, f"ours, {COMPARED[theirs]}", theirs)
    best = _ratio(outcomes, f"optimum, {COMPARED[theirs]}", theirs)
    if ratio is not None:
        bound = "" if best is None else f" (optimum {best:.3g})"
        label = f"{trace}: cold starts, to those of {theirs} at its idle cost{bound}"
        report.at_most(label, ratio, goal, "times")


def _ratio(outcomes: Found, mine: str, theirs: str) -> float | None:
    """Return mine to theirs; None where nobody waited under theirs, or mine is not known."""
    base = outcomes[theirs].cold
    return outcomes[mine].cold / base if base and mine in outcomes else None
