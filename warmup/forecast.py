"""When is a function worth keeping awake? In its likeliest minutes, within a budget. Pure.

`arrivals` says each tick how likely somebody comes. The threshold is the chance that, over the last
weeks, as many minutes reached as the budget of idle seconds pays for: one price for every hour, so
that no idle second would have spared more people the wait anywhere else. Whatever the forecast
says, the account of idle seconds is never overdrawn by more than four days' budget. With less than
a day of history, the function is kept for ten minutes after each arrival.
"""

import math
from dataclasses import dataclass, field

from warmup.arrivals import TICK, Arrivals, Table, chance, observe

DAY = 86_400.0
PER_OCTAVE, SCORES = 8, 136
HOUR_FADE = 0.5 ** (1 / 336)  # scores: half after two weeks
ENOUGH = 1_440.0  # ticks before the profile is trusted
UNTRAINED_KEEP = 600.0
SPEND_DAYS = 14.0  # over which savings are spent and debts are paid back
SAVED_DAYS = 4.0  # of the budget: what a weekend may save up, a campaign may owe


@dataclass(frozen=True, slots=True)
class Purse:
    """Ticks seen, and what being awake in them costs, by their chance; idle seconds saved.

    Chances are in eighths of octaves, from 1 down.
    """

    ticks: float = 0.0
    costs: Table = (0.0,) * SCORES
    account: float = 0.0


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of one function."""

    arrivals: Arrivals = field(default_factory=Arrivals)
    purse: Purse = field(default_factory=Purse)


@dataclass(frozen=True, slots=True)
class Tick:
    """One that has ended: idle seconds in it, and how many there are when it is awake throughout."""

    begun: float
    chance: float
    idle: float
    cost: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Be awake for the next tick or not; `score` is the chance that somebody comes."""

    awake: bool
    score: float
    threshold: float
    why: str


def learn(history: History, now: float, *, arrived: bool, idle: float, budget: float) -> History:
    """Add the tick that ended at `now`; `idle` are the seconds it was awake for nobody.

    `budget` is in idle seconds a day. A tick in which somebody came is not idle; one that teaches
    nothing costs nothing either.
    """
    known = history.arrivals
    if now <= known.at:
        return history
    tick = Tick(now - TICK, chance(known, now - TICK), idle, 0.0 if arrived else TICK)
    return History(observe(known, now, arrived=arrived), settle(history.purse, tick, budget))


def decide(history: History, now: float, budget: float) -> Decision:
    """Say whether to be awake from `now` for a tick, at `budget` idle seconds a day."""
    known = history.arrivals
    likely = chance(known, now)
    if sum(known.ticks) >= ENOUGH:
        return choose(history.purse, likely, budget)
    kept = bool(known.last) and now - known.last < UNTRAINED_KEEP
    kept = kept and not _spent(history.purse, budget)
    return Decision(awake=kept, score=likely, threshold=0.0, why="little history: kept a while")


def choose(purse: Purse, likely: float, budget: float) -> Decision:
    """Weigh a tick of that chance against what the budget pays for."""
    if _spent(purse, budget):
        return Decision(awake=False, score=likely, threshold=1.0, why="the budget is spent")
    limit = threshold(purse, budget + purse.account / SPEND_DAYS)
    awake = likely >= limit
    return Decision(awake, likely, limit, "demand is likely" if awake else "demand is unlikely")


def settle(purse: Purse, tick: Tick, budget: float) -> Purse:
    """Book what a tick cost.

    Neither savings nor debts are ever above SAVED_DAYS of the budget, but for one tick.
    """
    index = min(SCORES - 1, int(-math.log2(tick.chance) * PER_OCTAVE))
    fade = HOUR_FADE if int(tick.begun // 3600) != int((tick.begun - TICK) // 3600) else 1.0
    costs = purse.costs if fade == 1 else tuple(cost * fade for cost in purse.costs)
    costs = (*costs[:index], costs[index] + tick.cost / TICK, *costs[index + 1 :])
    saved = min(purse.account + budget * TICK / DAY - tick.idle, budget * SAVED_DAYS)
    return Purse(purse.ticks * fade + 1, costs, saved)


def threshold(purse: Purse, budget: float) -> float:
    """Return the lowest chance for which `budget` pays, had the last weeks come again."""
    left = purse.ticks * min(1.0, budget / DAY)
    for index, cost in enumerate(purse.costs):
        if cost > left:  # the part of this bucket that is paid for: its best
            return float(2 ** (-(index + max(0.0, left) / cost) / PER_OCTAVE))
        left -= cost
    return 0.0


def _spent(purse: Purse, budget: float) -> bool:
    return budget <= 0 or purse.account <= -budget * SAVED_DAYS
