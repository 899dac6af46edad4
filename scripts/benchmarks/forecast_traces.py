"""Seeded traces of arrivals: sessions begin at a known rate, each has a few questions. Pure.

`begins(t)` is the rate at which sessions begin, per second: whoever knew it, and only it, would be
the best forecaster there can be, so each trace carries it. Time 0 is Monday, 0:00.
"""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

HOUR, DAY, WEEK = 3600.0, 86_400.0, 604_800.0
WEEKS = 8
END = WEEKS * WEEK
Rate = Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Trace:
    """Arrivals in seconds, ascending; a session goes on with `stay`, after `gap` seconds."""

    name: str
    arrivals: tuple[float, ...]
    begins: Rate
    stay: float
    gap: float = 120.0


def all_traces(seed: int) -> Iterator[Trace]:
    """Return the four, each from a generator of its own."""
    for name, (make, most, stay) in _MAKERS.items():
        rng = random.Random(f"{seed} {name}")  # noqa: S311 - traffic, not secrets
        begins = make(rng)
        sessions = _thinned(rng, begins, most / HOUR)
        yield Trace(name, tuple(sorted(_asked(rng, sessions, stay))), begins, stay)


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
