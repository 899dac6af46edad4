"""Evidence that can be looked at as often as one likes: e-processes over hits among trials.

Looked at every two seconds, an ordinary test would sooner or later refuse any candidate. An
e-process is a mixture of likelihood ratios whose chance of *ever* passing 1/a is at most a when the
null is true (Ville's inequality; Robbins 1970, Ann. Math. Statist. 41), so there is no horizon. An
average of e-processes is one again, and so is the smaller of two against "at least one holds"
(Vovk & Wang, "E-values", Ann. Statist. 2021). Pure.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

NONE = -math.inf
_ODDS = tuple((ratio, math.log(ratio)) for ratio in (1.2, 1.5, 2, 3, 4, 6, 8, 12, 20, 50))


@dataclass(frozen=True, slots=True)
class Test:
    """`log_e`: log of the evidence against "no worse"; `says`: the numbers, in words."""

    log_e: float
    says: str


def log_evidence(hits: int, trials: int, null: float) -> float:
    """Return the log e-value of `hits` in `trials` against "the chance of a hit is ≤ `null`".

    The alternatives are a fixed grid of odds ratios, so that no special functions are needed; more
    hits never make it smaller. Hits at the expected rate are no evidence at all: rounding down is
    valid, and saves most of the work.
    """
    if not 0.0 < null < 1.0 or not trials:
        return 0.0
    if hits <= trials * null:
        return NONE
    terms = [hits * log - trials * math.log1p(null * (ratio - 1.0)) for ratio, log in _ODDS]
    return average(terms)


def average(logs: Sequence[float]) -> float:
    """Return the log of the mean of e-values given by their logs."""
    top = max(logs, default=0.0)
    if top == NONE or not logs:
        return top
    return top + math.log(math.fsum(math.exp(term - top) for term in logs) / len(logs))
