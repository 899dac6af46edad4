"""The warmer's forecast, replayed minute by minute over a trace. Pure.

It decides at the full minute, as the warmer does, and who is woken then is awake START seconds
later: an arrival within them waited. Requests take no time here, so a busy minute costs as much as
a quiet one. What the arrivals teach does not depend on the budget: it is learned once a trace, and
each budget is replayed on it.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from scripts.benchmarks.forecast_bounds import START
from scripts.benchmarks.forecast_policies import Outcome
from scripts.benchmarks.forecast_traces import DAY, Trace
from warmup.arrivals import TICK, Arrivals, chance, observe
from warmup.forecast import Purse, Tick, choose, settle

MONDAY = 4 * DAY  # the first one that the clock knows of
TRIES, CLOSE = 4, 0.995


@dataclass(frozen=True, slots=True)
class Minute:
    """One tick of a trace: arrivals, seconds from the first of them to its end, its chance."""

    at: float
    arrivals: int
    rest: float
    chance: float = math.nan


@dataclass(frozen=True, slots=True)
class Told:
    """A trace, minute by minute, and what was foretold of each."""

    trace: Trace
    minutes: tuple[Minute, ...]


def foretold(trace: Trace) -> Told:
    """Learn from minute after minute, and say before each how likely it is busy."""
    known, told = Arrivals(), []
    for one in minutes(trace):
        now = MONDAY + one.at
        told.append(replace(one, chance=chance(known, now)))
        known = observe(known, now + TICK, arrived=one.arrivals > 0)
    return Told(trace, tuple(told))


def ours(told: Told, budget: float) -> Outcome:
    """Replay `budget` idle seconds a day."""
    purse, cold, requests, idle, awake = Purse(), 0, 0, 0.0, False
    for minute in told.minutes:
        late = 0.0 if awake else START
        awake = choose(purse, minute.chance, budget).awake
        spent = TICK if awake else minute.rest
        if minute.at >= told.trace.judged:
            requests += minute.arrivals
            cold += minute.arrivals > 0 and (not awake or TICK - minute.rest < late)
            idle += spent
        purse = settle(purse, Tick(MONDAY + minute.at, minute.chance, spent, TICK), budget)
        awake = awake or minute.arrivals > 0
    return Outcome(cold / requests, idle / told.trace.days)


def ours_at(told: Told, idle: float) -> Outcome:
    """Replay the budget at which it costs as much as somebody else, and no more."""
    budget, best = idle, Outcome(1.0, 0.0)
    for _ in range(TRIES):
        found = ours(told, budget)
        if best.idle < found.idle <= idle:
            best = found
        if best.idle >= CLOSE * idle:
            break
        budget *= idle / found.idle * (1 + CLOSE) / 2
    return best


def minutes(trace: Trace) -> Iterator[Minute]:
    """Cut the trace into ticks."""
    arrivals, index = trace.arrivals, 0
    for number in range(int(trace.begin // TICK), int(trace.end // TICK)):
        at, first = number * TICK, index
        while index < len(arrivals) and arrivals[index] < at + TICK:
            index += 1
        yield Minute(at, index - first, at + TICK - arrivals[first] if index > first else 0.0)
