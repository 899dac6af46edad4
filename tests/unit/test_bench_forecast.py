"""The replay behind `bench forecast`: gaps, plans and costs are what the policies say."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from scripts.benchmarks import forecast_own, forecast_picture
from scripts.benchmarks.forecast_bounds import causal_optimum, clairvoyant
from scripts.benchmarks.forecast_ours import MONDAY, Minute, Told, foretold, minutes, ours, ours_at
from scripts.benchmarks.forecast_policies import Outcome, hybrid_histogram, keep_alive
from scripts.benchmarks.forecast_traces import DAY, END, HOUR, WEEK, Trace, all_traces
from scripts.benchmarks.harness import CannotMeasure

FROM = 2 * WEEK
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


def test_jobs_are_among_the_arrivals_and_come_just_after_their_minute() -> None:
    traces = {trace.name: trace for trace in all_traces(1)}
    for trace in traces.values():
        assert trace.jobs <= set(trace.arrivals)
        assert all(at % 60 < 5 for at in trace.jobs)
    assert len(traces["office hours, hourly job"].jobs) == END / HOUR
    reports = traces["office hours, reports"]
    assert len(reports.jobs) / len(reports.arrivals) == pytest.approx(0.02, abs=0.005)


def test_who_knows_all_rates_is_cold_exactly_where_the_idle_cost_ends() -> None:
    """Sessions of one question at a constant rate: all moments are alike."""
    trace = next(trace for trace in all_traces(1) if trace.name == "uniform")
    assert causal_optimum(trace, DAY).cold == 0
    assert causal_optimum(trace, DAY / 2).cold == pytest.approx(0.5, abs=0.03)


def test_who_knows_the_timetable_is_awake_for_it() -> None:
    jobs = tuple(number * HOUR for number in range(int(END // HOUR)))
    trace = Trace("clock", jobs, lambda _at: 0.0, 0.0, jobs=frozenset(jobs))
    assert causal_optimum(trace, 24 * 15).cold == 0
    assert causal_optimum(trace, 0).cold == 1


def test_ours_keeps_its_budget_and_nobody_beats_the_optimum() -> None:
    trace = next(all_traces(1))
    told = foretold(trace)
    mine, theirs = ours(told, 25_000.0), keep_alive(trace, 600)
    assert 20_000 < mine.idle <= 25_000 * (1 + 4 / DAYS)
    assert causal_optimum(trace, mine.idle).cold <= mine.cold < theirs.cold


def test_ours_is_compared_at_no_more_than_the_idle_cost_of_the_other() -> None:
    told = foretold(every(DAY / 4))
    assert 0 < ours_at(told, HOUR).idle <= HOUR


def test_who_is_woken_at_the_tick_is_too_late_for_its_first_seconds() -> None:
    def once(rest: float) -> Told:
        quiet = [Minute(FROM - 60.0 * (9 - n), 0, 0.0, 1e-5) for n in range(9)]
        return Told(every(DAY), (*quiet, Minute(FROM, 1, rest, 0.9)))

    assert ours(once(59.0), 8_640.0).cold == 1
    assert ours(once(50.0), 8_640.0).cold == 0


def test_arrivals_of_ones_own_keep_their_hour_of_the_week(tmp_path: Path) -> None:
    file = tmp_path / "arrivals"
    first = MONDAY + 100 * WEEK + 2 * DAY + 9 * HOUR
    file.write_text("\n".join(str(first + day * DAY) for day in (20, 0, 7)))
    trace = forecast_own.read(file)
    assert trace.arrivals == tuple((2 + day) * DAY + 9 * HOUR for day in (0, 7, 20))
    assert next(minutes(trace)).at == 2 * DAY
    assert 2 * DAY + 5 * DAY < trace.judged < 2 * DAY + 6 * DAY


@pytest.mark.parametrize("text", ["", "yesterday", "1\n2\n3\n"])
def test_a_file_without_a_week_of_unix_times_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "arrivals"
    file.write_text(text)
    with pytest.raises(CannotMeasure):
        forecast_own.read(file)


def test_the_picture_is_xml_and_names_every_policy() -> None:
    outcomes = {"never warm": Outcome(1, 0), "ours, as 10 min": Outcome(0.1, 900)}
    svg = forecast_picture.draw({"a & b": outcomes})
    assert len(list(ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}circle"))) == 2  # noqa: S314 - our own text
    assert "ours, as 10 min 10.0%" in svg
