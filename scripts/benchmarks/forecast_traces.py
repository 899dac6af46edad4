"""Seeded traces of arrivals: people whose sessions begin at a known rate, and jobs by the clock. Pure.

People come by a Poisson process over the hours of the week, and a question is followed by others
within minutes: two levels, as Malmgren et al. found for e-mail (PNAS 105(47), 2008). Such traces
have no clock in them, real ones do: 16 % of Azure's functions and 2 % of all invocations are
timers' (Shahrad et al., USENIX ATC 2020), and Huawei's functions are strongly periodic (Joosen et
al., SoCC 2023). Two variants add it: `reports`, 2 % of all requests, from jobs at minutes drawn at
random, in turn daily, on working days and weekly; and `hourly job`, one request an hour. A job's
request comes within five seconds of its minute.

`begins(t)` is the rate at which sessions begin, per second: whoever knew it and the jobs, and only
those, would be the best forecaster there can be, so each trace carries both. Time 0 is Monday, 0:00.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import cycle

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
WEEKS = 8
END = WEEKS * WEEK
REPORTS, LATE = 0.02, 5.0
WITH_JOBS = ("office hours", "campaigns")
Rate = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrivals in seconds, ascending; a session goes on with `stay`, after `gap` seconds.

    `jobs` are those of the arrivals that come by the clock. The first two weeks only teach, or the
    first quarter of a short trace.
    """

    name: str
    arrivals: tuple[float, ...]
    begins: Rate
    stay: float
    gap: float = 120.0
    jobs: frozenset[float] = frozenset()
    end: float = END

    @property
    def begin(self) -> float:
        """Return the day of the first arrival: nobody knows of the time before."""
        return self.arrivals[0] // DAY * DAY

    @property
    def judged(self) -> float:
        """Return from when on it is judged."""
        return self.begin + min(2 * WEEK, (self.end - self.begin) / 4)

    @property
    def days(self) -> float:
        """Return how many days are judged."""
        return (self.end - self.judged) / DAY


def all_traces(seed: int) -> Iterator[Trace]:
    """Return people's four, and two of them with a clock; each from a generator of its own."""
    for name, (make, most, stay) in _MAKERS.items():
        rng = _random(seed, name)
        begins = make(rng)
        sessions = _thinned(rng, begins, most / HOUR)
        trace = Trace(name, tuple(sorted(_asked(rng, sessions, stay))), begins, stay)
        yield trace
        if name in WITH_JOBS:
            yield _with(trace, "reports", _reports(seed, trace))
            yield _with(trace, "hourly job", _hourly(seed, trace))


def _with(trace: Trace, what: str, jobs: Iterator[float]) -> Trace:
    added = frozenset(at for at in jobs if at < END)
    every = tuple(sorted({*trace.arrivals, *added}))
    return replace(trace, name=f"{trace.name}, {what}", arrivals=every, jobs=added)


def _reports(seed: int, trace: Trace) -> Iterator[float]:
    rng = _random(seed, f"{trace.name}, reports")
    missing = len(trace.arrivals) * REPORTS / (1 - REPORTS)
    for days in cycle((range(7), range(5), (rng.randrange(7),))):
        if missing <= 0:
            return
        minute = rng.randrange(int(DAY // 60)) * 60.0
        missing -= len(days) * WEEKS
        for week in range(WEEKS):
            for day in days:
                yield week * WEEK + day * DAY + minute + rng.random() * LATE


def _hourly(seed: int, trace: Trace) -> Iterator[float]:
    rng = _random(seed, f"{trace.name}, hourly job")
    minute = rng.randrange(60) * 60.0
    for hour in range(int(END // HOUR)):
        yield hour * HOUR + minute + rng.random() * LATE


def _office(_rng: random.Random) -> Rate:
    """Five days a week: 12 sessions an hour, 5 at the edges and at noon, evenings 1, else few."""

    def begins(at: float) -> float:
        hour, weekday = at % DAY / HOUR, at // DAY % 7
        if weekday >= 5 or not 8 <= hour < 22:  # noqa: PLR2004 - Saturday; hours of a day
            return 0.15 / HOUR
        if hour >= 18:  # noqa: PLR2004 - the evening
            return 1 / HOUR
        return (5 if int(hour) in (8, 12, 17) else 12) / HOUR

    return begins


def _campaign(rng: random.Random) -> Rate:
    """Little, but for newsletters on Tuesday and Thursday at 10:00 and one a week at any time."""
    regular = [week * WEEK + day * DAY + 10 * HOUR for week in range(WEEKS) for day in (1, 3)]
    starts = regular + [(week + rng.random()) * WEEK for week in range(WEEKS)]

    def begins(at: float) -> float:
        since = (at - start for start in starts if start <= at < start + DAY)
        return (0.2 + sum(40 * math.exp(-passed / 5400) for passed in since)) / HOUR

    return begins


def _sparse(_rng: random.Random) -> Rate:
    return lambda _at: 2 / DAY


def _uniform(_rng: random.Random) -> Rate:
    return lambda _at: 3 / HOUR


_MAKERS: dict[str, tuple[Callable[[random.Random], Rate], float, float]] = {
    "office hours": (_office, 12, 2 / 3),
    "campaigns": (_campaign, 121, 1 / 3),
    "sparse": (_sparse, 1, 2 / 3),
    "uniform": (_uniform, 3, 0.0),
}


def _random(seed: int, name: str) -> random.Random:
    return random.Random(f"{seed} {name}")  # noqa: S311 - traffic, not secrets


def _thinned(rng: random.Random, rate: Rate, most: float) -> Iterator[float]:
    at = rng.expovariate(most)
    while at < END:
        if rng.random() * most < rate(at):
            yield at
        at += rng.expovariate(most)


def _asked(rng: random.Random, sessions: Iterator[float], stay: float) -> Iterator[float]:
    for begun in sessions:
        at = begun
        yield at
        while rng.random() < stay and at < END:
            at += rng.expovariate(1 / 120)
            if at < END:
                yield at
