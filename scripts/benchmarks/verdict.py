"""Verdicts: false rollbacks, missed regressions and time to detection, of ours and of two others.

Whole rollouts are simulated (`--rollouts N` a cell, 10,000 unless said otherwise), over error
rates, traffic and effect sizes. The last cell holds the candidate at 5 % until it is judged.
"""

import argparse
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from itertools import product, repeat

import numpy as np

from knative.serving.policy import Policy
from scripts.benchmarks.harness import Options, Report, Value
from scripts.benchmarks.rollout_judges import FixedHorizon, Flagger, Ours
from scripts.benchmarks.rollout_worlds import Cell, Judge, World

ROLLOUTS = 10_000
MOST_FALSE, MOST_REQUESTS = 0.01, 400
POLICY = Policy()
HELD = replace(POLICY, step_interval_seconds=3600.0)
CELLS = (
    *(Cell(*truth) for truth in product((0.001, 0.01, 0.05), (1.0, 2.0, 5.0), (20.0, 200.0))),
    *(Cell(0.01, 1.0, rate, slower) for rate, slower in product((20.0, 200.0), (1.2, 4.0))),
)
FIVEFOLD = Cell(0.01, 5.0, 50.0)


def run(report: Report, options: Options) -> None:
    """Simulate every cell under every judge."""
    parser = argparse.ArgumentParser(prog="./scripts/bench verdict")
    parser.add_argument("--rollouts", type=int, default=ROLLOUTS, help="how many a cell")
    rollouts = parser.parse_args(options.rest).rollouts
    jobs = [(cell, judge) for cell in CELLS for judge in _judges(POLICY)]
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        rows = list(pool.map(_row, jobs, repeat(rollouts), repeat(options.seed)))
    held = _held(rollouts, options.seed)
    for row in (*rows, held):
        report.row(**row)
    _goals(report, rows, held)


def _goals(report: Report, rows: list[dict[str, Value]], held: dict[str, Value]) -> None:
    false = [
        float(row["rolled_back"] or 0)
        for row in rows
        if row["judge"] == "ours" and row["times"] == 1.0 and row["slower"] == 1.0
    ]
    report.at_most("false rollbacks a whole rollout, worst cell", max(false), MOST_FALSE)
    median = float(held["candidate_requests"] or np.inf)
    report.at_most("1 % → 5 % at 5 % weight, median candidate requests", median, MOST_REQUESTS)
    report.at_most("1 % → 5 % at 5 % weight, missed", 1 - float(held["rolled_back"] or 0), 0.01)


def _judges(policy: Policy) -> Iterator[tuple[str, Judge]]:
    yield "ours", Ours(policy)
    yield "flagger", Flagger(policy)
    yield "fixed", FixedHorizon(policy)
    yield "fixed, peeking", FixedHorizon(policy, peeking=True)


def _held(rollouts: int, seed: int) -> dict[str, Value]:
    return _row((FIVEFOLD, ("ours", Ours(HELD))), rollouts, seed, HELD)


def _row(
    job: tuple[Cell, tuple[str, Judge]], rollouts: int, seed: int, policy: Policy = POLICY
) -> dict[str, Value]:
    cell, (name, judge) = job
    ends = World(cell, policy, rollouts, np.random.default_rng(seed)).play(judge)
    return {
        "errors": cell.error_rate,
        "times": cell.times,
        "slower": cell.slower,
        "per_second": cell.per_second,
        "judge": name,
        "rolled_back": ends.rolled_back,
        "missed": None if cell.equal else 1 - ends.rolled_back,
        "inconclusive": ends.given_up,
        "candidate_requests": ends.detection,
    }
