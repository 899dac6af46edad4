"""When is a function worth keeping awake? From its own history of arrivals, within a budget. Pure.

Each tick (a minute) the history learns whether somebody came, and the forecast says how likely
somebody comes in the next one. It is awake for those minutes that are likeliest, as many as the
budget of idle seconds pays for. Three steps, each a ratio of counts, so all of it is explained by
a few numbers and kept in a few kilobytes:

1. rate: the share of busy minutes in this hour of the week, weeks fading by 0.7, shrunk towards
   the same hour of all days and that towards the whole week (a new function has few weeks);
2. recent: that rate is a prior worth PRIOR minutes, updated with the busy minutes of about the
   last 45: a campaign nobody announced, a week that grows, a holiday;
3. burst: how often somebody came against how often step 2 said so, at this time since the last
   arrival and this rate: questions come in sessions, and a session's end is known only here.

The threshold is the score that, over the last weeks, as many minutes reached as the budget pays
for. Whatever the forecast says, the account of idle seconds is never overdrawn by more than four
days' budget. Hours are UTC: a clock change shifts the profile by an hour, and the recent rate
answers until the fading weeks have learned it.
"""

import math
from dataclasses import dataclass, replace

TICK = 60.0
HOURS = 168
DAY = 86_400.0
WEEK_FADE = 0.7 ** (1 / 60)  # a cell is visited by 60 ticks a week
RECENT_FADE = 0.5 ** (1 / 30)  # ticks; the recent window is worth 1 / (1 - fade), about 45
PRIOR = 60.0
CELL_PRIOR = 30.0  # minutes of the day's profile that a cell starts with
LOWEST = 1e-5  # nobody is expected less often than once in ten weeks
ELAPSED, RATES = 11, 7
BURST_PRIOR = 1.0  # arrivals that a burst cell has to show before it is believed
PER_OCTAVE, SCORES = 8, 136
HOUR_FADE = 0.5 ** (1 / 336)  # scores: half after two weeks
ENOUGH = 1_440.0  # ticks before the profile is trusted
UNTRAINED_KEEP = 600.0
SPEND_DAYS = 14.0  # over which savings are spent and debts are paid back
SAVED_DAYS = 4.0  # of the budget: what a weekend may save up, a campaign may owe

Table = tuple[float, ...]


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of one function; times in Unix seconds."""

    at: float = 0.0
    last: float = 0.0
    busy: Table = (0.0,) * HOURS
    ticks: Table = (0.0,) * HOURS
    recent: float = 0.0
    seen: Table = (0.0,) * (ELAPSED * RATES)
    expected: Table = (0.0,) * (ELAPSED * RATES)
    scores: Table = (0.0,) * SCORES
    account: float = 0.0


@dataclass(frozen=True, slots=True)
class Decision:
    """Be awake for the next tick or not; `score` is the chance that somebody comes."""

    awake: bool
    score: float
    threshold: float
    why: str


def learn(history: History, now: float, *, arrived: bool, idle: float, budget: float) -> History:
    """Add the tick that ended at `now`; `idle` are the seconds it was awake for nobody.

    `budget` is in idle seconds a day. A clock that went back, or a tick told twice, changes
    nothing; ticks that nobody saw are not taken for quiet ones.
    """
    if now <= history.at:
        return history
    begun, busy = now - TICK, float(arrived)
    seen, hour = _look(history, begun), _hour(begun)
    missed = max(0.0, (now - history.at) / TICK - 1) if history.at else 0.0
    return replace(
        history,
        at=now,
        last=now if arrived else history.last,
        busy=_put(history.busy, hour, history.busy[hour] * WEEK_FADE + busy),
        ticks=_put(history.ticks, hour, history.ticks[hour] * WEEK_FADE + 1),
        recent=history.recent * RECENT_FADE ** (1 + min(missed, 1e4)) + busy,
        seen=_put(history.seen, seen.cell, history.seen[seen.cell] + busy),
        expected=_put(history.expected, seen.cell, history.expected[seen.cell] + seen.expected),
        scores=_scored(history, begun, _score(history, seen)),
        account=_account(history.account, budget, idle),
    )


def decide(history: History, now: float, budget: float) -> Decision:
    """Say whether to be awake from `now` for a tick, at `budget` idle seconds a day."""
    chance = score(history, now)
    if budget <= 0 or history.account <= -budget * SAVED_DAYS:
        return Decision(awake=False, score=chance, threshold=1.0, why="the budget is spent")
    if sum(history.ticks) < ENOUGH:
        kept = bool(history.last) and now - history.last < UNTRAINED_KEEP
        return Decision(awake=kept, score=chance, threshold=0.0, why="little history: kept a while")
    limit = threshold(history, budget + history.account / SPEND_DAYS)
    awake = chance >= limit
    return Decision(awake, chance, limit, "demand is likely" if awake else "demand is unlikely")


def score(history: History, now: float) -> float:
    """Return the chance that somebody comes in the tick from `now`."""
    return _score(history, _look(history, now))


def threshold(history: History, budget: float) -> float:
    """Return the lowest score for which `budget` pays, had the last weeks come again."""
    allowed = sum(history.scores) * min(1.0, budget / DAY)
    spent = 0.0
    for index, ticks in enumerate(reversed(history.scores)):
        if spent + ticks > allowed:  # the part of this bucket that is paid for: its best
            return float(2 ** (-(index + (allowed - spent) / ticks) / PER_OCTAVE))
        spent += ticks
    return 0.0


def rate(history: History, now: float) -> float:
    """Return the share of busy minutes in this hour of the week, shrunk towards day and week."""
    hour = _hour(now)
    week = sum(history.busy) / (sum(history.ticks) + 1)
    same = slice(hour % 24, HOURS, 24)
    day = _shrunk(sum(history.busy[same]), sum(history.ticks[same]), week)
    return max(LOWEST, _shrunk(history.busy[hour], history.ticks[hour], day))


@dataclass(frozen=True, slots=True)
class _Look:
    """Steps 1 and 2 at one moment, and the cell of step 3 that it belongs to."""

    expected: float
    cell: int


def _look(history: History, now: float) -> _Look:
    profile = rate(history, now)
    if _hour(now + TICK) != _hour(now):  # what the coming hour promises counts before it begins
        profile = max(profile, rate(history, now + TICK))
    expected = (profile * PRIOR + history.recent) / (PRIOR + 1 / (1 - RECENT_FADE))
    waited = int(max(0.0, now - history.last) // TICK) if history.last else 1 << ELAPSED
    level = min(RATES - 1, int(-math.log2(profile) / 2))
    return _Look(expected, min(waited.bit_length(), ELAPSED - 1) * RATES + level)


def _score(history: History, seen: _Look) -> float:
    promised = history.expected[seen.cell] + BURST_PRIOR
    burst = (history.seen[seen.cell] + BURST_PRIOR) / promised
    return min(1.0, max(LOWEST, seen.expected * burst))


def _account(saved: float, budget: float, idle: float) -> float:
    """Neither savings nor debts are ever above SAVED_DAYS of the budget, but for one tick."""
    return min(saved + budget * TICK / DAY - idle, budget * SAVED_DAYS)


def _shrunk(busy: float, ticks: float, towards: float) -> float:
    return (busy + CELL_PRIOR * towards) / (ticks + CELL_PRIOR)


def _hour(now: float) -> int:
    return int(now // 3600) % HOURS


def _scored(history: History, now: float, value: float) -> Table:
    index = SCORES - 1 - min(SCORES - 1, int(-math.log2(value) * PER_OCTAVE))
    scores = history.scores
    if _hour(now) != _hour(now - TICK):
        scores = tuple(ticks * HOUR_FADE for ticks in scores)
    return _put(scores, index, scores[index] + 1)


def _put(table: Table, index: int, value: float) -> Table:
    return (*table[:index], value, *table[index + 1 :])
