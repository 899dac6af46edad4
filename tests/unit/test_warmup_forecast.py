"""The forecast: awake where demand is likely, never past its budget, whatever the clock does."""

from dataclasses import replace
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmup.arrivals import MINUTES, TICK, Arrivals, chance, observe, rate
from warmup.forecast import DAY, SAVED_DAYS, History, Purse, decide, learn, threshold

WEEK = 7 * DAY
HOUR = 3600.0
BUDGET = 2 * HOUR
NINE = 4 * WEEK + 9 * HOUR  # the epoch's hours are UTC


@cache
def lived(days: int, busy_hours: tuple[int, ...]) -> History:
    """Somebody comes every fifth minute of the busy hours."""
    history = History()
    for number in range(int(days * DAY / TICK)):
        begun = number * TICK
        arrived = int(begun % DAY // HOUR) in busy_hours and number % 5 == 0
        history = learn(history, begun + TICK, arrived=arrived, idle=0.0, budget=BUDGET)
    return history


@pytest.fixture(scope="module")
def mornings() -> History:
    return lived(28, (9,))


def test_it_wakes_before_the_hour_in_which_people_come(mornings: History) -> None:
    assert decide(mornings, NINE - TICK, BUDGET).awake


def test_it_sleeps_when_nobody_ever_came(mornings: History) -> None:
    assert not decide(mornings, NINE - 6 * HOUR, BUDGET).awake


def test_an_unannounced_rush_keeps_it_awake(mornings: History) -> None:
    quiet, night = mornings.arrivals, NINE - 6 * HOUR
    rushed = replace(quiet, recent=20.0, fast=2.0, last=night)
    assert chance(rushed, night) > 10 * chance(quiet, night)
    assert decide(replace(mornings, arrivals=rushed), night, BUDGET).awake


@pytest.mark.parametrize("budget", [0.0, -1.0])
def test_without_a_budget_nothing_is_woken(mornings: History, budget: float) -> None:
    assert not decide(mornings, NINE, budget).awake


def test_without_history_it_is_kept_a_while_after_an_arrival() -> None:
    history = learn(History(), NINE, arrived=True, idle=0.0, budget=BUDGET)
    assert decide(history, NINE + 9 * TICK, BUDGET).awake
    assert not decide(history, NINE + 11 * TICK, BUDGET).awake
    assert not decide(History(), NINE, BUDGET).awake


def test_a_clock_that_went_back_teaches_nothing(mornings: History) -> None:
    at = mornings.arrivals.at
    assert learn(mornings, at - HOUR, arrived=True, idle=9, budget=1) is mornings
    assert learn(mornings, at, arrived=True, idle=9, budget=1) is mornings


def test_a_clock_that_went_back_still_gives_a_decision(mornings: History) -> None:
    assert 0 < chance(mornings.arrivals, mornings.arrivals.at - 90 * DAY) <= 1


def test_ticks_that_nobody_saw_are_not_taken_for_quiet(mornings: History) -> None:
    known = mornings.arrivals
    away = observe(known, known.at + 28 * DAY, arrived=False)
    assert rate(away, NINE + 28 * DAY) == pytest.approx(rate(known, NINE), rel=0.02)


def test_a_new_hour_of_the_week_borrows_from_the_same_hour_of_such_days() -> None:
    known = lived(2, (9,)).arrivals  # a Thursday and a Friday
    monday, saturday = 4 * DAY + 9 * HOUR, 2 * DAY + 9 * HOUR
    assert rate(known, monday) > 5 * rate(known, monday + 6 * HOUR)
    assert rate(known, monday) > 2 * rate(known, saturday)


def at_one_minute(days: range, minute: float) -> Arrivals:
    """Somebody comes once on each of the days, always in the same minute; nobody else does."""
    known = Arrivals()
    for number in range(len(days) * MINUTES):
        begun = days[0] * DAY + number * TICK
        known = observe(known, begun + TICK, arrived=begun % DAY == minute)
    return known


def test_a_job_by_the_clock_is_expected_in_its_minute_and_the_one_before_and_no_other() -> None:
    three = 3 * HOUR + 17 * TICK
    known, day = at_one_minute(range(14), three), 14 * DAY
    likely = {
        minute: chance(known, day + three + minute * TICK) for minute in (-30, -2, -1, 0, 1, 30)
    }
    assert min(likely[-1], likely[0]) > 0.2
    assert max(likely[-30], likely[-2], likely[1], likely[30]) < 0.05


def test_one_hit_of_the_clock_is_chance() -> None:
    three = 3 * HOUR + 17 * TICK
    known = at_one_minute(range(1), three)
    assert chance(known, DAY + three) < 3 * chance(known, DAY + three + 30 * TICK)


def test_a_source_that_promises_and_does_not_keep_loses_weight() -> None:
    known = at_one_minute(range(14), 3 * HOUR)
    quiet = known
    for number in range(2 * MINUTES):
        quiet = observe(quiet, known.at + (number + 1) * TICK, arrived=False)
    clock = (quiet.credit[-1] / quiet.promised[-1], known.credit[-1] / known.promised[-1])
    assert clock[0] < clock[1]


@given(st.floats(0, DAY), st.floats(0, DAY))
def test_a_larger_budget_never_raises_the_threshold(budget: float, more: float) -> None:
    purse = lived(28, (9,)).purse
    assert threshold(purse, budget + more) <= threshold(purse, budget)


def test_an_empty_purse_has_no_threshold() -> None:
    assert threshold(Purse(), BUDGET) == 0


@given(st.lists(st.booleans(), max_size=400), st.floats(60, DAY))
def test_the_account_is_never_overdrawn_by_more_than_the_saved_days(
    arrivals: list[bool], budget: float
) -> None:
    history = lived(28, (9,))
    for number, arrived in enumerate(arrivals):
        now = NINE + number * TICK
        idle = TICK if decide(history, now, budget).awake else 0.0
        history = learn(history, now + TICK, arrived=arrived, idle=idle, budget=budget)
        assert -budget * SAVED_DAYS - TICK <= history.purse.account <= budget * SAVED_DAYS
        assert 0 <= chance(history.arrivals, now) <= 1
