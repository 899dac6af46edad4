"""Policies that keep a function awake, replayed over a trace: who waited, and what it cost. Pure.

A request takes no time, a start takes START. An arrival that finds the function asleep is a cold
start. Idle cost is the time awake without a request. Ours decides at the full minute, the others
when a request has ended. The first two weeks only teach.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scripts.benchmarks.forecast_traces import DAY, END, WEEK, Trace
from warmup import forecast
from warmup.forecast import TICK, History

START = 5.0
FROM = 2 * WEEK


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


@dataclass(frozen=True, slots=True)
class Minute:
    """One tick of a trace: arrivals, and the seconds from the first of them to its end."""

    at: float
    arrivals: int
    rest: float
    last: float


def keep_alive(trace: Trace, seconds: float) -> Outcome:
    """Replay a fixed keep-alive."""
    return _replay(trace, lambda _gap: Plan(0.0, seconds))


def clairvoyant(trace: Trace) -> Outcome:
    """Replay who knows every arrival: woken just in time, let go when that is cheaper."""
    gaps = [after - before for before, after in pairwise(trace.arrivals) if after >= FROM]
    return Outcome(0.0, sum(min(gap, START) for gap in gaps) / _days())


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


def ours(trace: Trace, budget: float) -> Outcome:
    """Replay warmup.forecast with `budget` idle seconds a day."""
    history, cold, requests, idle = History(), 0, 0, 0.0
    for minute in minutes(trace):
        decision = forecast.decide(history, minute.at, budget)
        spent = TICK if decision.awake else minute.rest
        if minute.at >= FROM:
            requests += minute.arrivals
            cold += bool(minute.arrivals) and not decision.awake
            idle += spent
        arrived, now = minute.arrivals > 0, minute.at + TICK
        history = forecast.learn(history, now, arrived=arrived, idle=spent, budget=budget)
    return Outcome(cold / requests, idle / _days())


def true_rates(trace: Trace, budget: float) -> Outcome:
    """Replay who knows the trace's rates, but no arrival before it comes: the causal optimum."""
    judged = [(_hazard(trace, one), one) for one in minutes(trace) if one.at >= FROM]
    low, high = 0.0, 1.0
    for _ in range(40):
        limit = (low + high) / 2
        idle = sum(TICK if chance >= limit else one.rest for chance, one in judged) / _days()
        low, high = (limit, high) if idle > budget else (low, limit)
    missed = sum(one.arrivals > 0 for chance, one in judged if chance < high)
    idle = sum(TICK if chance >= high else one.rest for chance, one in judged) / _days()
    return Outcome(missed / sum(one.arrivals for _, one in judged), idle)


def minutes(trace: Trace) -> Iterator[Minute]:
    """Cut the trace into ticks."""
    arrivals, index, last = trace.arrivals, 0, -math.inf
    for number in range(int(END // TICK)):
        at, first = number * TICK, index
        while index < len(arrivals) and arrivals[index] < at + TICK:
            index += 1
        rest = at + TICK - arrivals[first] if index > first else 0.0
        yield Minute(at, index - first, rest, last)
        last = arrivals[index - 1] if index else last


def _hazard(trace: Trace, minute: Minute) -> float:
    """Sessions that begin, and the one that may not have ended, a second."""
    silent = math.exp(-(minute.at - minute.last) / trace.gap) * trace.stay
    going_on = silent / (silent + 1 - trace.stay)
    begins = max(trace.begins(minute.at), trace.begins(minute.at + TICK))
    spread = 1e-12 * (int(minute.at / TICK) * 7919 % 10_007)  # equal chances are told apart
    return begins + going_on / trace.gap + spread


def _replay(trace: Trace, plan: Callable[[float], Plan]) -> Outcome:
    cold, idle, requests = 0, 0.0, 0
    current = Plan(0.0, 0.0)
    for before, after in pairwise((*trace.arrivals, END)):
        gap = after - before
        if after >= FROM:
            waited = min(gap - current.asleep, current.awake)
            idle += max(0.0, waited)
            requests += after < END
            cold += after < END and not 0 <= gap - current.asleep <= current.awake
        current = plan(gap)
    return Outcome(cold / requests, idle / _days())


def _autoregression(values: Sequence[float]) -> float:
    mean = sum(values) / len(values)
    before, after = values[:-1], values[1:]
    variance = sum((value - mean) ** 2 for value in before)
    covariance = sum((a - mean) * (b - mean) for a, b in zip(before, after, strict=True))
    slope = covariance / variance if variance else 0.0
    return max(0.0, mean + slope * (values[-1] - mean))


def _days() -> float:
    return (END - FROM) / DAY
