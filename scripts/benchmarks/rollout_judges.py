"""Three rules that judge rollouts: ours, thresholds as Flagger has them, and a fixed-horizon test.

The rule: ours is `knative.serving.verdict.judge` itself, called for every look of every rollout; the
others are what people run instead, with the settings that their documentation shows.
"""

from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from knative.serving.policy import Policy
from knative.serving.samples import Sample
from knative.serving.verdict import Outcome, Windows, judge, overdue
from scripts.benchmarks.rollout_worlds import (
    ADVANCE,
    BOUNDS,
    FAIL,
    GIVE_UP,
    WAIT,
    Counts,
    Ints,
    Look,
)

_SAID = {Outcome.SUCCESSFUL: ADVANCE, Outcome.FAILED: FAIL, Outcome.INCONCLUSIVE: WAIT}
_FLAGGER_SUCCESS, _FLAGGER_MS, _FLAGGER_CHECKS = 0.99, 500.0, 5
_FLAGGER_QUANTILE = 0.99
_TESTS = 2


@dataclass(frozen=True, slots=True)
class Ours:
    """The verdict, at every look; what stays Inconclusive for too long is rolled back."""

    policy: Policy

    def __call__(self, look: Look) -> Ints:
        """Judge one by one."""
        sides = _samples(look.stable), _samples(look.candidate)
        said = [
            self._one(Windows(stable, candidate, int(weight), float(seconds)))
            for stable, candidate, weight, seconds in zip(
                *sides, look.weight, look.seconds, strict=True
            )
        ]
        return np.array(said, np.int64)

    def _one(self, windows: Windows) -> int:
        said = _SAID[judge(windows, self.policy).outcome]
        return GIVE_UP if said == WAIT and overdue(windows.seconds, self.policy) else said


@dataclass(slots=True)
class Flagger:
    """Each interval alone: success rate ≥ 99 % and p99 ≤ 500 ms, or it is a failed check; five end it.

    Failed checks add up over the rollout, and a failed one does not advance.
    """

    policy: Policy
    failed: dict[int, int] = field(default_factory=dict)
    marks: dict[int, tuple[int, int, int]] = field(default_factory=dict)

    def __call__(self, look: Look) -> Ints:
        """Check those whose interval is over."""
        said = np.zeros(len(look.rows), np.int64)
        due = np.flatnonzero(look.seconds % self.policy.step_interval_seconds == 0)
        slow = _over(look.candidate, _FLAGGER_MS)
        requests = look.candidate.requests
        for at in due:
            now = int(requests[at]), int(look.candidate.errors[at]), int(slow[at])
            said[at] = self._check(int(look.rows[at]), now)
        return said

    def _check(self, row: int, now: tuple[int, int, int]) -> int:
        before = self.marks.pop(row, (0, 0, 0))
        requests, errors, slow = (new - old for new, old in zip(now, before, strict=True))
        bad = errors > requests * (1 - _FLAGGER_SUCCESS)
        if requests and not bad and slow <= requests * (1 - _FLAGGER_QUANTILE):
            return ADVANCE
        self.marks[row] = now
        self.failed[row] = self.failed.get(row, 0) + 1
        return FAIL if self.failed[row] >= _FLAGGER_CHECKS else WAIT


@dataclass(frozen=True, slots=True)
class FixedHorizon:
    """Two-proportion z-tests on errors and on lateness, decided once a step, or at every look.

    Both share the same chance of a false rollback that ours has, as far as such a test can keep it.
    """

    policy: Policy
    peeking: bool = False

    def __call__(self, look: Look) -> Ints:
        """Test those that have the interval and the samples."""
        policy, stable, candidate = self.policy, look.stable, look.candidate
        ripe = look.seconds >= policy.step_interval_seconds
        ripe &= np.minimum(stable.requests, candidate.requests) >= policy.min_samples
        steps = max(1, len(policy.steps) - 1)
        limit = NormalDist().inv_cdf(1 - policy.false_rollback_rate / steps / _TESTS)
        late = _late(stable, candidate, policy.latency_quantile)
        bad = _z((candidate.errors, candidate.requests), (stable.errors, stable.requests)) > limit
        bad |= _z((late[1], candidate.requests), (late[0], stable.requests)) > limit
        if not self.peeking:
            bad &= ripe
        return np.where(bad, FAIL, np.where(ripe, ADVANCE, WAIT))


def _samples(counts: Counts) -> list[Sample]:
    rows = zip(counts.errors.tolist(), counts.latencies.tolist(), strict=True)
    return [Sample(sum(row), errors, dict(zip(BOUNDS, row, strict=True))) for errors, row in rows]


def _over(counts: Counts, bound: float) -> Ints:
    over: Ints = counts.latencies[:, BOUNDS.index(bound) + 1 :].sum(axis=1)
    return over


def _late(stable: Counts, candidate: Counts, quantile: float) -> tuple[Ints, Ints]:
    """Count requests over the bucket that holds stable's quantile, on both sides."""
    below = stable.latencies.cumsum(axis=1)
    bucket = (below >= quantile * stable.requests[:, None]).argmax(axis=1)[:, None]
    over = [
        side.requests - np.take_along_axis(side.latencies.cumsum(axis=1), bucket, 1)[:, 0]
        for side in (stable, candidate)
    ]
    return over[0], over[1]


def _z(candidate: tuple[Ints, Ints], stable: tuple[Ints, Ints]) -> NDArray[np.float64]:
    (hits, trials), (others, more) = candidate, stable
    trials, more = np.maximum(trials, 1), np.maximum(more, 1)
    pooled = (hits + others) / (trials + more)
    spread = np.sqrt(pooled * (1 - pooled) * (1 / trials + 1 / more))
    difference = hits / trials - others / more
    z: NDArray[np.float64] = np.divide(
        difference, spread, out=np.zeros_like(spread), where=spread > 0
    )
    return z
