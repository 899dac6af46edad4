"""When a service that fails is left alone, and how often it is asked again: a value and its changes.

Pure. After some failures in a row nobody asks for a while; then one call tries, and if it fails the
while begins anew. Retries are paid from a budget that only successes fill, so a service in trouble
never gets more than a fraction of calls on top.
"""

from dataclasses import dataclass, replace

THRESHOLD = 3
"""Failures in a row that open the breaker."""
COOLDOWN = 30.0
"""Seconds for which an open breaker lets nothing pass."""
MOST_RETRIES, EARNED = 5.0, 0.1
"""What the budget holds at most, and what a success adds; a retry costs 1."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """`opened_at` is on the caller's clock; None while calls pass."""

    failures: int = 0
    opened_at: float | None = None
    budget: float = MOST_RETRIES


def admit(breaker: Breaker, now: float) -> Breaker | None:
    """Return the state after letting a call pass; None when it may not.

    A call that tries an open breaker moves its opening to `now`: the next one waits for it.
    """
    if breaker.opened_at is None:
        return breaker
    if now - breaker.opened_at < COOLDOWN:
        return None
    return replace(breaker, opened_at=now)


def succeeded(breaker: Breaker) -> Breaker:
    """Return the state after a call that was answered."""
    return Breaker(budget=min(MOST_RETRIES, breaker.budget + EARNED))


def failed(breaker: Breaker, now: float) -> Breaker:
    """Return the state after a call that was not, its retries included."""
    failures = breaker.failures + 1
    opened = now if failures >= THRESHOLD else None
    return replace(breaker, failures=failures, opened_at=opened)


def pay_retry(breaker: Breaker) -> Breaker | None:
    """Return the state after paying for a retry; None when the budget is empty."""
    return replace(breaker, budget=breaker.budget - 1) if breaker.budget >= 1 else None
