"""The replay behind `bench forecast`: gaps, plans and costs are what the policies say."""

import xml.etree.ElementTree as ET

import pytest

from scripts.benchmarks import forecast_picture
from scripts.benchmarks.forecast_policies import (
    FROM,
    Outcome,
    clairvoyant,
    hybrid_histogram,
    keep_alive,
    minutes,
    ours,
    true_rates,
)
from scripts.benchmarks.forecast_traces import DAY, END, Trace, all_traces

DAYS = (END - FROM) / DAY


def every(seconds: float) -> Trace:
    count = int(END // seconds)
    return Trace("regular", tuple(number * seconds for number in range(count)), lambda _at: 0.0, 0)


def test_traces_are_the_same_for_the_same_seed_and_stay_within_the_weeks() -> None:
    once, again, other = (list(all_traces(seed)) for seed in (3, 3, 4))
    assert [trace.arrivals for trace in once] == [trace.arrivals for trace in again]
    assert [trace.arrivals for trace in once] != [trace.arrivals for trace in other]
    for trace in once:
        assert list(trace.arrivals) == sorted(trace.arrivals)
        assert 0 <= trace.arrivals[0] <= trace.arrivals[-1] < END


def test_a_keep_alive_longer_than_the_gap_is_never_cold_and_always_awake() -> None:
    outcome = keep_alive(every(300), 600)
    assert outcome.cold == 0
    assert outcome.idle == pytest.approx(DAY, rel=0.001)


def test_a_keep_alive_shorter_than_the_gap_is_always_cold_and_pays_for_itself() -> None:
    outcome = keep_alive(every(1200), 600)
    assert outcome == Outcome(1.0, pytest.approx(DAY / 2, rel=0.001))


def test_the_histogram_sleeps_through_the_head_of_a_regular_trace() -> None:
    outcome = hybrid_histogram(every(3600))
    assert outcome.cold == 0
    assert outcome.idle < DAY / 3


def test_the_clairvoyant_pays_for_the_start_alone() -> None:
    assert clairvoyant(every(3600)).idle == pytest.approx(24 * 5, rel=0.01)


def test_minutes_hold_every_arrival_once() -> None:
    trace = next(all_traces(1))
    cut = list(minutes(trace))
    assert sum(minute.arrivals for minute in cut) == len(trace.arrivals)
    assert all(0 < minute.rest <= 60 for minute in cut if minute.arrivals)


def test_ours_keeps_its_budget_and_nobody_beats_the_true_rates() -> None:
    trace = next(all_traces(1))
    budget = 25_000.0
    mine, best = ours(trace, budget), true_rates(trace, budget)
    assert mine.idle <= budget * (1 + 4 / DAYS)
    assert best.cold <= mine.cold < 2 * best.cold


def test_the_picture_is_xml_and_names_every_policy() -> None:
    outcomes = {"never warm": Outcome(1, 0), "ours, as 10 min": Outcome(0.1, 900)}
    svg = forecast_picture.draw({"a & b": outcomes})
    assert len(list(ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle"))) == 2  # noqa: S314 - our own text
    assert "ours, as 10 min 10.0%" in svg
