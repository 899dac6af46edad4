"""A day of inference and ner together: replicas, cores paid for, and what each question waited. Seeded.

A question's time is what it waited for replicas, its work, and the work of others beside it: as long
as the function's seconds, and a part drawn from an exponential distribution with processor sharing's
mean. Warmed up, both functions are woken at once and the longer wait counts; without, ner is asked
only once inference is there, so the waits add up.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scripts.benchmarks.forecast_traces import DAY
from scripts.benchmarks.scale_breaks import Peak
from scripts.benchmarks.scale_facts import Facts, Pair, manifests
from scripts.benchmarks.scale_load import STEPS, Floats, Ints, drawn, expected, kept, office
from scripts.benchmarks.scale_revision import FULL, STEP, UTILISATION, Function, Moment, simulate

MOST_ASKED = 40  # questions of a step whose time is drawn; each stands for its share of the rest
WAITED = 0.2  # seconds without a replica, or in line for one
BUDGET = 4 * 3600.0  # idle seconds a day that the forecast may spend, each function


@dataclass(frozen=True, slots=True)
class Day:
    """What a day cost, and how long questions took: percentiles 50, 95, 99 in seconds."""

    core_seconds: float
    replicas: tuple[float, float]  # of inference and ner, on average
    peak: Peak
    percentiles: tuple[float, float, float]
    waited: float


@dataclass(frozen=True, slots=True)
class Days:
    """The same questions four times, and what always-on Deployments cost in core seconds.

    With and without warm-up, scaled by requests a second as one core does them; and warmed up, but
    scaled by the targets of the overlay `production`, and of `base`: those are requests at once.
    """

    warmed: Day
    plain: Day
    production: Day
    base: Day
    always_on: float


def days(a_day: float, facts: Facts, seed: int) -> Days:
    """Live through a day of that many questions."""
    rng = np.random.default_rng([seed, int(a_day)])
    questions = drawn(a_day, expected(a_day, office()), rng)
    awake = kept(a_day, questions, BUDGET, rng)
    warmed, plain = facts.functions(warmed=True), facts.functions(warmed=False)
    production, base = (
        facts.functions(warmed=True, targets=manifests(overlay)) for overlay in ("production", "")
    )
    return Days(
        _day(questions, warmed, awake, rng),
        _day(questions, plain, None, rng),
        _day(questions, production, awake, rng),
        _day(questions, base, awake, rng),
        sum(_always_on(questions, function) for function in warmed),
    )


def _day(
    questions: Ints,
    functions: Pair,
    awake: Sequence[bool] | None,
    rng: np.random.Generator,
) -> Day:
    counts, keep = questions.tolist(), awake or [False] * STEPS
    lived = [list(simulate(function, counts, keep)) for function in functions]
    replicas = [np.array([moment.replicas for moment in moments]) for moments in lived]
    waits = [np.array([moment.waited for moment in moments]) for moments in lived]
    wait = np.maximum(*waits) if awake else waits[0] + waits[1]
    asked = np.minimum(questions, MOST_ASKED)
    times = np.repeat(wait, asked) + sum(
        _work(function, moments, asked, rng)
        for function, moments in zip(functions, lived, strict=True)
    )
    weights = np.repeat(questions / np.maximum(1, asked), asked)
    return Day(
        float(sum(many.sum() for many in replicas) * STEP),
        (float(replicas[0].mean()), float(replicas[1].mean())),
        Peak(_busiest(questions), int(replicas[0].max()), int(replicas[1].max())),
        _percentiles(times, weights),
        float(questions[wait > WAITED].sum() / questions.sum()),
    )


def _work(
    function: Function, moments: Sequence[Moment], asked: Ints, rng: np.random.Generator
) -> Floats:
    load = np.minimum(np.repeat([moment.load for moment in moments], asked), FULL)
    times: Floats = function.seconds * (1 + rng.exponential(1.0, len(load)) * load / (1 - load))
    return times


def _percentiles(times: Floats, weights: Floats) -> tuple[float, float, float]:
    order = np.argsort(times)
    passed = np.cumsum(weights[order]) / weights.sum()
    found = [float(times[order][np.searchsorted(passed, share)]) for share in (0.5, 0.95, 0.99)]
    return found[0], found[1], found[2]


def _busiest(questions: Ints) -> float:
    """Return questions a second in the busiest minute."""
    a_minute = int(60 / STEP)
    return float(questions.reshape(-1, a_minute).sum(axis=1).max() / 60)


def _always_on(questions: Ints, function: Function) -> float:
    """Return the core seconds of a Deployment sized for the busiest minute, two at the least."""
    needed = math.ceil(_busiest(questions) * function.seconds / UTILISATION)
    return max(2, needed) * DAY
