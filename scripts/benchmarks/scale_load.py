"""A working day of so many questions, and in which of its minutes the forecast keeps awake. Seeded.

The day is Tuesday of `bench forecast`'s office hours: sessions of three questions on average, two
minutes apart. Up to a million a day each session is drawn; above it thousands go on at once, and the
questions of each step are drawn as one Poisson number.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from scripts.benchmarks.forecast_traces import DAY, WEEK, Trace, all_traces
from scripts.benchmarks.scale_revision import STEP
from warmup import forecast
from warmup.arrivals import TICK
from warmup.forecast import History

STEPS, A_MINUTE = int(DAY / STEP), int(TICK / STEP)
TUESDAY, TAUGHT_DAYS = 12 * DAY, 14  # 13 January 1970, after two weeks since a Tuesday's midnight
SMOOTHED = int(1800 / STEP)
EACH, MOST_DRAWN = 3.0, 1_000_000  # questions a session; a day
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def office() -> Trace:
    """Return the trace whose working day it is."""
    return next(all_traces(1))


def expected(a_day: float, trace: Trace, day: int = 1) -> Floats:
    """Return how many questions each step of that day of the week has on average.

    `a_day` is what Tuesday has. The trace's hours are steps; here half an hour leads from one to
    the next.
    """
    tuesday = sum(trace.begins(DAY + step * STEP) for step in range(STEPS))
    edge = SMOOTHED // 2
    shape = [
        trace.begins((day * DAY + step * STEP) % WEEK) for step in range(-edge, STEPS + edge - 1)
    ]
    mean: Floats = np.convolve(shape, np.full(SMOOTHED, 1 / SMOOTHED), mode="valid")
    return mean / tuesday * a_day


def drawn(a_day: float, mean: Floats, rng: np.random.Generator) -> Ints:
    """Draw the questions of each step."""
    if a_day > MOST_DRAWN:
        return rng.poisson(mean)
    begun = np.repeat(np.arange(STEPS) * STEP, rng.poisson(mean / EACH))
    begun = begun + rng.random(len(begun)) * STEP
    more = rng.geometric(1 / EACH, len(begun))
    found = np.zeros(STEPS, np.int64)
    while len(begun):
        found += np.bincount((begun / STEP).astype(np.int64), minlength=STEPS)[:STEPS]
        more = more - 1
        begun, more = begun[more > 0], more[more > 0]
        begun = begun + rng.exponential(120.0, len(begun))
        more, begun = more[begun < DAY], begun[begun < DAY]
    return found


def kept(a_day: float, questions: Ints, budget: float, rng: np.random.Generator) -> list[bool]:
    """Return the steps of the day in which the forecast, taught by two weeks before, keeps awake."""
    trace = office()
    before = [expected(a_day, trace, day=day + 1) for day in range(TAUGHT_DAYS)]
    taught = [rng.poisson(_by_minute(mean)) > 0 for mean in before]
    minutes = np.concatenate([*taught, _by_minute(questions) > 0])
    awake = list(_decisions(minutes.tolist(), budget))[-int(DAY / TICK) :]
    return [keep for keep in awake for _ in range(A_MINUTE)]


def _decisions(minutes: Sequence[bool], budget: float) -> Iterator[bool]:
    history, now = History(), TUESDAY - 7 * DAY
    for busy in minutes:
        awake = forecast.decide(history, now, budget).awake
        yield awake
        now += TICK
        idle = TICK if awake and not busy else 0.0
        history = forecast.learn(history, now, arrived=busy, idle=idle, budget=budget)


def _by_minute(steps: NDArray[np.float64] | Ints) -> NDArray[np.float64]:
    found: NDArray[np.float64] = steps.reshape(-1, A_MINUTE).sum(axis=1).astype(np.float64)
    return found
