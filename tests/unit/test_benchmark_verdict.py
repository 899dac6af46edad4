"""The benchmark of verdicts: its worlds are as said, and its judges tell good from bad."""

import numpy as np
import pytest

from scripts.benchmarks.harness import Options, Report
from scripts.benchmarks.rollout_judges import FixedHorizon, Flagger, Ours
from scripts.benchmarks.rollout_worlds import Cell, Judge, World
from scripts.benchmarks.verdict import POLICY, run


def played(cell: Cell, judge: Judge, rollouts: int = 40) -> tuple[float, float | None]:
    ends = World(cell, POLICY, rollouts, np.random.default_rng(1)).play(judge)
    return ends.rolled_back, ends.detection


@pytest.mark.parametrize("judge", [Ours(POLICY), Flagger(POLICY), FixedHorizon(POLICY)])
def test_every_judge_refuses_what_fails_half_of_its_requests(judge: Judge) -> None:
    rolled_back, detection = played(Cell(0.01, 50.0, 200.0), judge)
    assert rolled_back == 1.0
    assert detection is not None


@pytest.mark.parametrize("cell", [Cell(0.01, 1.0, 100.0), Cell(0.05, 1.0, 20.0)])
def test_ours_lets_equals_through_where_thresholds_or_peeking_do_not(cell: Cell) -> None:
    assert played(cell, Ours(POLICY))[0] <= 0.025
    assert played(cell, Flagger(POLICY))[0] > 0.1
    assert played(cell, FixedHorizon(POLICY, peeking=True))[0] > 0.025


def test_a_slower_candidate_is_refused_by_its_latency_alone() -> None:
    assert played(Cell(0.0, 1.0, 200.0, slower=4.0), Ours(POLICY))[0] == 1.0


def test_the_report_ends_with_the_goals_of_the_verdict() -> None:
    report = Report("verdict")
    run(report, Options(rest=("--rollouts", "4")))
    assert [goal.ok for goal in report.goals] == [True, True, True]
    assert {row["judge"] for row in report.rows} == {"ours", "flagger", "fixed", "fixed, peeking"}
