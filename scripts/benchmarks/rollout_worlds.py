"""Whole rollouts by the thousand: callers as Poisson streams, and a rule that looks every two seconds.

The rule: a world knows what is true (error rates, latencies, weights), a judge sees counts alone.
All rollouts of a cell go in step, so that drawing is one call of numpy a look; every request falls
into a bucket of latency on its own, and fails or does not, on its own.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from knative.serving.policy import Policy
from knative.serving.traffic import WHOLE

LOOK_SECONDS = 2.0
BOUNDS = (10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0, 2500.0, 5000.0, 10000.0, np.inf)
"""Envoy's buckets; the requests of these worlds take no less."""
WAIT, FAIL, ADVANCE, GIVE_UP = 0, 1, 2, 3
_SPREAD = 0.5
_MEDIAN_MS = 100.0

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cell:
    """What is true: stable's error rate, how many times the candidate's it is, and its slowness."""

    error_rate: float
    times: float
    per_second: float
    slower: float = 1.0

    @property
    def equal(self) -> bool:
        """Whether the candidate is as good as stable."""
        return self.times == 1.0 and self.slower == 1.0


@dataclass(slots=True)
class Counts:
    """Cumulative since the step began, a row a rollout; latencies have a column a bucket."""

    errors: Ints
    latencies: Ints

    @classmethod
    def none(cls, rollouts: int) -> "Counts":
        """Return zeros."""
        return cls(np.zeros(rollouts, np.int64), np.zeros((rollouts, len(BOUNDS)), np.int64))

    @property
    def requests(self) -> Ints:
        """Return all requests, a rollout."""
        requests: Ints = self.latencies.sum(axis=1)
        return requests

    def of(self, rows: Ints) -> "Counts":
        """Return the rows of some rollouts."""
        return Counts(self.errors[rows], self.latencies[rows])


@dataclass(frozen=True, slots=True)
class Look:
    """What a judge sees of the rollouts `rows`: both sides, seconds and percent at the step."""

    rows: Ints
    stable: Counts
    candidate: Counts
    seconds: NDArray[np.float64]
    weight: Ints


class Judge(Protocol):
    """A rule that says for each rollout what to do now."""

    def __call__(self, look: Look) -> Ints:
        """Return WAIT, FAIL, ADVANCE or GIVE_UP a row."""


@dataclass(frozen=True, slots=True)
class Ends:
    """How the rollouts of a cell ended, and the candidate's requests until then."""

    outcome: Ints
    requests: Ints

    @property
    def rolled_back(self) -> float:
        """Share that did not get to the end."""
        return float(np.mean(self.outcome != ADVANCE))

    @property
    def given_up(self) -> float:
        """Share that stayed inconclusive for too long."""
        return float(np.mean(self.outcome == GIVE_UP))

    @property
    def detection(self) -> float | None:
        """Median of the candidate's requests until it was refused."""
        found = self.requests[self.outcome == FAIL]
        return float(np.median(found)) if len(found) else None


class World:
    """The rollouts of one cell under one judge."""

    def __init__(
        self, cell: Cell, policy: Policy, rollouts: int, chance: np.random.Generator
    ) -> None:
        self._cell, self._policy, self._chance = cell, policy, chance
        self._weights = np.array([step for step in policy.steps if step < WHOLE])
        self._step = np.zeros(rollouts, np.int64)
        self._seconds = np.zeros(rollouts)
        self._stable, self._candidate = Counts.none(rollouts), Counts.none(rollouts)
        self._outcome = np.zeros(rollouts, np.int64)
        self._requests = np.zeros(rollouts, np.int64)
        self._shares = _shares(_MEDIAN_MS), _shares(_MEDIAN_MS * cell.slower)

    def play(self, judge: Judge) -> Ends:
        """Play every rollout to its end."""
        rows = np.arange(len(self._step))
        while len(rows):
            self._ask(rows)
            look = Look(
                rows,
                self._stable.of(rows),
                self._candidate.of(rows),
                self._seconds[rows],
                self._weights[self._step[rows]],
            )
            self._move(rows, judge(look))
            rows = np.flatnonzero(self._outcome == WAIT)
        return Ends(self._outcome, self._requests)

    def _ask(self, rows: Ints) -> None:
        """Callers ask for the length of one look."""
        cell, share = self._cell, self._weights[self._step[rows]] / WHOLE
        requests = cell.per_second * LOOK_SECONDS
        self._seconds[rows] += LOOK_SECONDS
        self._draw(self._stable, rows, (requests * (1 - share), self._shares[0], cell.error_rate))
        rate = cell.error_rate * cell.times
        before = self._candidate.requests[rows]
        self._draw(self._candidate, rows, (requests * share, self._shares[1], rate))
        self._requests[rows] += self._candidate.requests[rows] - before

    def _draw(
        self,
        counts: Counts,
        rows: Ints,
        truth: tuple[NDArray[np.float64], NDArray[np.float64], float],
    ) -> None:
        requests, shares, error_rate = truth
        drawn = self._chance.poisson(requests[:, None] * shares)
        counts.latencies[rows] += drawn
        counts.errors[rows] += self._chance.binomial(drawn.sum(axis=1), error_rate)

    def _move(self, rows: Ints, said: Ints) -> None:
        done = rows[said == ADVANCE]
        last = self._step[done] == len(self._weights) - 1
        self._outcome[done[last]] = ADVANCE
        for outcome in (FAIL, GIVE_UP):
            self._outcome[rows[said == outcome]] = outcome
        further = done[~last]
        self._step[further] += 1
        self._seconds[further] = 0
        for counts in (self._stable, self._candidate):
            counts.errors[further] = 0
            counts.latencies[further] = 0


def _shares(median_ms: float) -> NDArray[np.float64]:
    """Return the share of requests in each bucket: log-normal, as latencies mostly are."""
    normal = NormalDist(np.log(median_ms), _SPREAD)
    below = np.array([normal.cdf(np.log(bound)) for bound in BOUNDS[:-1]] + [1.0])
    return np.diff(below, prepend=0.0)
