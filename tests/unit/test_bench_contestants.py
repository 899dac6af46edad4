"""The contestants of the benchmarks: known by name, and told from one another by what they found."""

import pytest

from scripts.benchmarks import coldstart, ner
from scripts.benchmarks.contestants import FRAMEWORK, OURS, PEERS, chosen
from scripts.benchmarks.harness import CannotMeasure, Report


def test_ours_and_the_framework_always_take_part_and_peers_by_name() -> None:
    assert chosen("") == [OURS, FRAMEWORK]
    assert chosen("litserve,kserve") == [OURS, FRAMEWORK, PEERS["litserve"], PEERS["kserve"]]


def test_a_peer_that_nobody_knows_is_refused_by_name() -> None:
    with pytest.raises(CannotMeasure, match="torchserve"):
        chosen("kserve,torchserve")


def test_a_start_is_judged_by_the_best_peer_and_the_floor() -> None:
    report = Report("coldstart")
    seconds = {OURS.name: [0.5, 0.6, 9.0], "a": [7.0], "b": [6.0], "floor": [0.3]}
    coldstart._tell(report, seconds, {OURS.name: [300.0], "a": [600.0], "b": [500.0]})
    judged = [(goal.value, goal.ok) for goal in report.goals]
    assert judged == [(pytest.approx(10), True), (pytest.approx(2), False), (0.6, True)]


def test_throughput_is_judged_by_the_best_peer_at_each_level() -> None:
    found = {
        (name, level): (rate, late, memory)
        for name, rate, late, memory in (
            (OURS.name, 20, 1, 60),
            (ner.INT8, 50, 1, 30),
            ("a", 10, 2, 100),
        )
        for level in ner.LEVELS
    }
    report = Report("ner")
    ner._goals(report, found, ["a"])
    assert [goal.value for goal in report.goals] == [2, 5, 0.5, 0.5, 0.5, 0.6]
    assert all(goal.ok for goal in report.goals)


def test_texts_are_the_same_for_every_server() -> None:
    once, again = ner._texts(), ner._texts()
    assert [next(once) for _ in range(300)] == [next(again) for _ in range(300)]
