"""The forecast: awake where demand is likely, never past its budget, whatever the clock does."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from warmup.forecast import DAY, SAVED_DAYS, TICK, History, decide, learn, rate, score, threshold

WEEK = 7 * DAY
HOUR = 3600.0
BUDGET = 2 * HOUR
NINE = 4 * WEEK + 9 * HOUR  # the epoch's hours are UTC


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
    quiet, night = mornings, NINE - 6 * HOUR
    rushed = replace(quiet, recent=20.0, last=night)
    assert score(rushed, night) > 10 * score(quiet, night)
    assert decide(rushed, night, BUDGET).awake


@pytest.mark.parametrize("budget", [0.0, -1.0])
def test_without_a_budget_nothing_is_woken(mornings: History, budget: float) -> None:
    assert not decide(mornings, NINE, budget).awake


def test_without_history_it_is_kept_a_while_after_an_arrival() -> None:
    history = learn(History(), NINE, arrived=True, idle=0.0, budget=BUDGET)
    assert decide(history, NINE + 9 * TICK, BUDGET).awake
    assert not decide(history, NINE + 11 * TICK, BUDGET).awake
    assert not decide(History(), NINE, BUDGET).awake


def test_a_clock_that_went_back_teaches_nothing(mornings: History) -> None:
    assert learn(mornings, mornings.at - HOUR, arrived=True, idle=9, budget=1) is mornings
    assert learn(mornings, mornings.at, arrived=True, idle=9, budget=1) is mornings


def test_a_clock_that_went_back_still_gives_a_decision(mornings: History) -> None:
    assert 0 < score(mornings, mornings.at - 90 * DAY) <= 1


def test_ticks_that_nobody_saw_are_not_taken_for_quiet(mornings: History) -> None:
    away = learn(mornings, mornings.at + 30 * DAY, arrived=False, idle=0, budget=BUDGET)
    assert rate(away, NINE + 30 * DAY) == pytest.approx(rate(mornings, NINE), rel=0.02)


def test_a_new_hour_of_the_week_borrows_from_the_same_hour_of_other_days() -> None:
    history = lived(3, (9,))
    seventh_day = 6 * DAY + 9 * HOUR
    assert rate(history, seventh_day) > 5 * rate(history, seventh_day + 6 * HOUR)


@given(st.floats(0, DAY), st.floats(0, DAY))
def test_a_larger_budget_never_raises_the_threshold(budget: float, more: float) -> None:
    history = _MORNINGS
    assert threshold(history, budget + more) <= threshold(history, budget)


@given(st.lists(st.booleans(), max_size=400), st.floats(60, DAY))
def test_the_account_is_never_overdrawn_by_more_than_the_saved_days(
    arrivals: list[bool], budget: float
) -> None:
    history = _MORNINGS
    for number, arrived in enumerate(arrivals):
        now = NINE + number * TICK
        idle = TICK if decide(history, now, budget).awake else 0.0
        history = learn(history, now + TICK, arrived=arrived, idle=idle, budget=budget)
        assert -budget * SAVED_DAYS - TICK <= history.account <= budget * SAVED_DAYS
        assert 0 <= score(history, now) <= 1


_MORNINGS = lived(28, (9,))
