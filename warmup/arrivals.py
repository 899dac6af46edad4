"""How likely does somebody come in the next minute? From a function's own arrivals. Pure.

Each tick (a minute) says whether somebody came. Four sources foretell the next, each of them a
ratio of counts:

1. rate: the share of busy minutes in this hour of the week, weeks fading by 0.7, shrunk towards
   the same hour of such days (Monday to Friday, or the other two) and that towards the whole week:
   a new function has few weeks;
2. burst: that rate as a prior worth PRIOR minutes, updated with the busy minutes of about the last
   45 (a campaign nobody announced, a holiday), times how often somebody came against how often
   that said so, at this time since the last arrival: questions come in sessions;
3. fast: the busy minutes of the last few;
4. clock: how much oftener somebody came in this minute of the day than the others foretold: reports
   and other machines' schedules. One hit is chance; the second one counts.

The sources add up, each weighed by its record: every arrival is credited to them by what each had
promised, and a source's weight is its credit for what it ever promised (online expectation
maximisation for a sum of Poisson sources, half forgotten after four weeks). Hours are UTC: a clock
change shifts the profile by an hour, and the recent minutes answer until the rest has learned it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

TICK = 60.0
HOURS, MINUTES = 168, 1_440
WEEK_FADE = 0.7 ** (1 / 60)  # a cell is visited by 60 ticks a week
RECENT_FADE = 0.5 ** (1 / 30)  # ticks; the recent window is worth 1 / (1 - fade), about 45
FAST_FADE = 0.5 ** (1 / 2)
DAY_FADE = 0.93  # of the clock; what a minute of the day has shown is half forgotten after ten
CREDIT_FADE = 0.5 ** (1 / (28 * MINUTES))
PRIOR = 60.0
CELL_PRIOR = 30.0  # minutes of the day's profile that a cell starts with
LOWEST = 1e-5  # nobody is expected less often than once in ten weeks
ELAPSED, RATES = 11, 7
BURST_PRIOR = 1.0  # arrivals that a burst cell has to show before it is believed
BEGIN_CREDIT, BEGIN_PROMISED = (0.1, 0.3, 0.05, 0.25), (0.5, 0.5, 0.5, 0.5)

PEOPLE = 0.5  # of an arrival: what the clock foretold begins no session

Table = tuple[float, ...]
_WEEKEND = (2, 3)  # the first of January 1970 was a Thursday
_SAME = tuple(  # for each hour of the week, that hour on all days of its kind
    tuple(
        other
        for other in range(hour % 24, HOURS, 24)
        if (other // 24 in _WEEKEND) == (hour // 24 in _WEEKEND)
    )
    for hour in range(HOURS)
)


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What is remembered of one function's arrivals; times in Unix seconds."""

    at: float = 0.0
    last: float = 0.0
    recent: float = 0.0
    fast: float = 0.0
    days: float = 0.0
    busy: Table = (0.0,) * HOURS
    ticks: Table = (0.0,) * HOURS
    seen: Table = (0.0,) * (ELAPSED * RATES)
    expected: Table = (0.0,) * (ELAPSED * RATES)
    clock: Table = (0.0,) * MINUTES
    credit: Table = BEGIN_CREDIT
    promised: Table = BEGIN_PROMISED


def observe(known: Arrivals, now: float, *, arrived: bool) -> Arrivals:
    """Add the tick that ended at `now`.

    A clock that went back, or a tick told twice, changes nothing; ticks that nobody saw are not
    taken for quiet ones.
    """
    if now <= known.at:
        return known
    begun, busy = now - TICK, float(arrived)
    look, hour, minute = _look(known, begun), _hour(begun), _minute(begun)
    missed = max(0.0, (now - known.at) / TICK - 1) if known.at else 0.0
    passed = 1 + min(missed, 1e4)
    shares, promised = look.shares, max(LOWEST, sum(look.shares))
    people = busy * (1 - look.shares[-1] / promised)
    unforeseen = busy - min(1.0, sum(shares[:-1]))
    many = busy / -math.expm1(-promised)  # arrivals that a busy minute stands for
    return replace(
        known,
        at=now,
        last=now if people > PEOPLE else known.last,
        recent=known.recent * RECENT_FADE**passed + people,
        fast=known.fast * FAST_FADE**passed + people,
        days=known.days * DAY_FADE ** (1 / MINUTES) + 1 / MINUTES,
        busy=_put(known.busy, hour, known.busy[hour] * WEEK_FADE + people),
        ticks=_put(known.ticks, hour, known.ticks[hour] * WEEK_FADE + 1),
        seen=_put(known.seen, look.cell, known.seen[look.cell] + people),
        expected=_put(known.expected, look.cell, known.expected[look.cell] + look.expected),
        clock=_put(known.clock, minute, known.clock[minute] * DAY_FADE + unforeseen),
        credit=_faded(known.credit, tuple(share * many for share in shares)),
        promised=_faded(known.promised, look.sources),
    )


def chance(known: Arrivals, now: float) -> float:
    """Return how likely being awake in the tick from `now` spares somebody the wait.

    Who wakes at the tick is too late for what the clock brings at its first second: half of what
    the clock says of a minute therefore counts in the one before it.
    """
    look = _look(known, now)
    clock = (_clock(known, now) + _clock(known, now + TICK)) / 2
    promised = sum(look.shares[:-1]) + look.weights[-1] * clock
    return max(LOWEST, -math.expm1(-promised))


def rate(known: Arrivals, now: float) -> float:
    """Return the share of busy minutes in this hour of the week, shrunk towards day and week."""
    hour = _hour(now)
    week = sum(known.busy) / (sum(known.ticks) + 1)
    same = _SAME[hour]
    day = _shrunk(_sum(known.busy, same), _sum(known.ticks, same), week)
    return max(LOWEST, _shrunk(known.busy[hour], known.ticks[hour], day))


@dataclass(frozen=True, slots=True)
class _Look:
    """The sources at one moment and their weights, and the burst's cell and what it starts from."""

    sources: Table
    weights: Table
    expected: float
    cell: int

    @property
    def shares(self) -> Table:
        return tuple(a * b for a, b in zip(self.sources, self.weights, strict=True))


def _look(known: Arrivals, now: float) -> _Look:
    profile = rate(known, now)
    if _hour(now + TICK) != _hour(now):  # what the coming hour promises counts before it begins
        profile = max(profile, rate(known, now + TICK))
    expected = (profile * PRIOR + known.recent) / (PRIOR + 1 / (1 - RECENT_FADE))
    waited = int(max(0.0, now - known.last) // TICK) if known.last else 1 << ELAPSED
    level = min(RATES - 1, int(-math.log2(profile) / 2))
    cell = min(waited.bit_length(), ELAPSED - 1) * RATES + level
    burst = (known.seen[cell] + BURST_PRIOR) / (known.expected[cell] + BURST_PRIOR)
    fast = known.fast * (1 - FAST_FADE)
    sources = (profile, min(1.0, expected * burst), fast, _clock(known, now))
    weights = tuple(a / b for a, b in zip(known.credit, known.promised, strict=True))
    return _Look(sources, weights, expected, cell)


def _clock(known: Arrivals, now: float) -> float:
    return max(0.0, known.clock[_minute(now)] - 1) / (known.days + 1)


def _sum(table: Table, cells: Sequence[int]) -> float:
    return math.fsum(table[cell] for cell in cells)


def _shrunk(busy: float, ticks: float, towards: float) -> float:
    return (busy + CELL_PRIOR * towards) / (ticks + CELL_PRIOR)


def _faded(table: Table, more: Table) -> Table:
    return tuple(old * CREDIT_FADE + new for old, new in zip(table, more, strict=True))


def _hour(now: float) -> int:
    return int(now // 3600) % HOURS


def _minute(now: float) -> int:
    return int(now // TICK) % MINUTES


def _put(table: Table, index: int, value: float) -> Table:
    return (*table[:index], value, *table[index + 1 :])
