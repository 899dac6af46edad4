"""A service that fails is left alone for a while, and retries never outgrow successes."""

from functions.inference.breaker import (
    COOLDOWN,
    MOST_RETRIES,
    THRESHOLD,
    Breaker,
    admit,
    failed,
    pay_retry,
    succeeded,
)


def opened(at: float) -> Breaker:
    breaker = Breaker()
    for _ in range(THRESHOLD):
        breaker = failed(breaker, at)
    return breaker


def test_calls_pass_until_the_threshold_of_failures_in_a_row() -> None:
    breaker = Breaker()
    for _ in range(THRESHOLD - 1):
        breaker = failed(breaker, 0.0)
        assert admit(breaker, 0.0) == breaker
    assert admit(failed(breaker, 0.0), 0.0) is None


def test_a_success_between_failures_starts_the_count_anew() -> None:
    breaker = succeeded(failed(failed(Breaker(), 0.0), 1.0))
    assert admit(failed(breaker, 2.0), 2.0) is not None


def test_nothing_passes_while_it_cools_down() -> None:
    assert admit(opened(100.0), 100.0 + COOLDOWN - 0.001) is None


def test_after_the_cool_down_one_call_tries_and_the_next_waits_for_it() -> None:
    now = 100.0 + COOLDOWN
    trying = admit(opened(100.0), now)
    assert trying is not None
    assert admit(trying, now + 1) is None


def test_a_try_that_succeeds_closes_it_and_one_that_fails_opens_it_again() -> None:
    now = 100.0 + COOLDOWN
    trying = admit(opened(100.0), now)
    assert trying is not None
    assert admit(succeeded(trying), now) is not None
    again = failed(trying, now + 5)
    assert admit(again, now + COOLDOWN) is None
    assert admit(again, now + 5 + COOLDOWN) is not None


def test_retries_are_paid_from_a_budget_that_successes_fill_slowly() -> None:
    breaker, paid = Breaker(), 0
    while (after := pay_retry(breaker)) is not None:
        breaker, paid = after, paid + 1
    assert paid == MOST_RETRIES
    for _ in range(9):
        breaker = succeeded(breaker)
    assert pay_retry(breaker) is None
    assert pay_retry(succeeded(succeeded(breaker))) is not None


def test_the_budget_never_grows_past_its_limit_and_survives_failures() -> None:
    assert succeeded(Breaker()).budget == MOST_RETRIES
    assert failed(Breaker(budget=2.0), 0.0).budget == 2.0
