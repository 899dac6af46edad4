"""Others' policies, replayed over a trace: who waited, and what it cost. Pure.

A request takes no time. An arrival that finds the function asleep is a cold start. Idle cost is the
time awake without a request. These decide when a request has ended.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scripts.benchmarks.forecast_traces import Trace


@dataclass(frozen=True, slots=True)
class Outcome:
    """`cold`: share of requests that waited; `idle`: seconds a day."""

    cold: float
    idle: float


@dataclass(frozen=True, slots=True)
class Plan:
    """After a request: asleep for `asleep` seconds, then awake for `awake`."""

    asleep: float
    awake: float


def keep_alive(trace: Trace, seconds: float) -> Outcome:
    """Replay a fixed keep-alive."""
    return _replay(trace, lambda _gap: Plan(0.0, seconds))


def hybrid_histogram(trace: Trace) -> Outcome:
    """Replay the policy of "Serverless in the Wild" (Shahrad et al., USENIX ATC 2020)."""
    return _replay(trace, _Histogram().plan)


class _Histogram:
    """Idle times in minutes, up to four hours, with the paper's constants.

    The head (5th percentile, less 10 %) is slept through, and it stays awake to the tail (99th,
    plus 10 %). A histogram that is not representative (coefficient of variation of its bins below
    2) means four hours' keep-alive. Mostly out of bounds: a time series' forecast ± 15 %; the paper
    fits an ARIMA, this an AR(1) by least squares.
    """

    BINS, MARGIN, SERIES_MARGIN, REPRESENTATIVE = 240, 0.1, 0.15, 2.0

    def __init__(self) -> None:
        self._bins = [0] * self.BINS
        self._beyond: int = 0
        self._gaps: list[float] = []

    def plan(self, gap: float) -> Plan:
        """Learn the idle time that ended and plan the next."""
        self._gaps.append(gap)
        minute = int(gap // 60)
        if minute < self.BINS:
            self._bins[minute] += 1
        else:
            self._beyond += 1
        if self._beyond > len(self._gaps) / 2:
            expected = _autoregression(self._gaps[-100:])
            margin = self.SERIES_MARGIN * expected
            return Plan(expected - margin, 2 * margin)
        if self._variation() < self.REPRESENTATIVE:
            return Plan(0.0, self.BINS * 60.0)
        head = self._percentile(0.05) * (1 - self.MARGIN)
        tail = (self._percentile(0.99) + 1) * (1 + self.MARGIN)
        return Plan(head * 60, (tail - head) * 60)

    def _variation(self) -> float:
        mean = sum(self._bins) / self.BINS
        if not mean:
            return 0.0
        return math.sqrt(sum((count - mean) ** 2 for count in self._bins) / self.BINS) / mean

    def _percentile(self, share: float) -> int:
        wanted, passed = share * sum(self._bins), 0
        for minute, count in enumerate(self._bins):
            passed += count
            if passed >= wanted:
                return minute
        return self.BINS


def _replay(trace: Trace, plan: Callable[[float], Plan]) -> Outcome:
    cold, idle, requests = 0, 0.0, 0
    current = Plan(0.0, 0.0)
    for before, after in pairwise((*trace.arrivals, trace.end)):
        gap = after - before
        if after >= trace.judged:
            waited = min(gap - current.asleep, current.awake)
            idle += max(0.0, waited)
            requests += after < trace.end
            cold += after < trace.end and not 0 <= gap - current.asleep <= current.awake
        current = plan(gap)
    return Outcome(cold / requests, idle / trace.days)


def _autoregression(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    before, after = values[:-1], values[1:]
    variance = sum((value - mean) ** 2 for value in before)
    covariance = sum((a - mean) * (b - mean) for a, b in zip(before, after, strict=True))
    slope = covariance / variance if variance else 0.0
    return max(0.0, mean + slope * (values[-1] - mean))
