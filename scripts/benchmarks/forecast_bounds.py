"""What nobody can beat: who knows every arrival, and who knows every rate. Pure.

The second is the optimum of all policies that do not see the future. Sleeping or waking changes no
arrival, so it is awake in those moments in which the chance of an arrival, given all that has come
before, is highest (the lemma of Neyman and Pearson), and as many as the idle cost pays for. The
chance is exact: sessions begin at the trace's rate, jobs come by their timetable, and how many
sessions are still going on is a hidden number whose distribution each arrival and each silence
updates by Bayes' rule.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from scripts.benchmarks.forecast_policies import Outcome
from scripts.benchmarks.forecast_traces import Trace

START = 5.0  # seconds that a start takes
STEP = 15.0
MOST = 12  # sessions at once; more has no weight
TIMETABLE = 1e9  # a rate above any other

Belief = Sequence[float]  # that so many sessions go on


@dataclass(frozen=True, slots=True)
class Step:
    """Arrivals a second that were to be expected; what came; seconds from its first to the end."""

    rate: float
    arrivals: int
    rest: float


def clairvoyant(trace: Trace) -> Outcome:
    """Replay who knows every arrival: woken just in time, let go when that is cheaper."""
    gaps = [after - before for before, after in pairwise(trace.arrivals) if after >= trace.judged]
    return Outcome(0.0, sum(min(gap, START) for gap in gaps) / trace.days)


def causal_optimum(trace: Trace, idle: float) -> Outcome:
    """Return the fewest cold starts for at most that idle cost, all rates known."""
    steps = sorted(_steps(trace), key=lambda step: -step.rate)
    left = idle * trace.days - sum(step.rest for step in steps)
    cold, requests = 0, sum(step.arrivals for step in steps)
    for step in steps:
        left -= STEP - step.rest
        cold += left < 0 and step.arrivals > 0
    return Outcome(cold / requests, idle)


def _steps(trace: Trace) -> Iterator[Step]:
    belief: Belief = (1.0,)
    arrivals, index = trace.arrivals, 0
    for number in range(int(trace.end // STEP)):
        at, first, scheduled = number * STEP, index, False
        begins = trace.begins(at)
        rate = begins + sum(count * share for count, share in enumerate(belief)) / trace.gap
        while index < len(arrivals) and arrivals[index] < at + STEP:
            if arrivals[index] in trace.jobs:
                scheduled = True
            else:
                belief = _arrived(belief, begins, trace)
            index += 1
        belief = _silent(belief, trace)
        if at >= trace.judged:
            rest = at + STEP - arrivals[first] if index > first else 0.0
            yield Step(TIMETABLE if scheduled else rate, index - first, rest)


def _arrived(belief: Belief, begins: float, trace: Trace) -> Belief:
    """Somebody new, or somebody who was going on; either stays, or has asked the last question."""
    after = [0.0] * (len(belief) + 1)
    for count, share in enumerate(belief):
        new, old = share * begins, share * count / trace.gap
        after[count + 1] += new * trace.stay
        after[count] += new * (1 - trace.stay) + old * trace.stay
        if count:
            after[count - 1] += old * (1 - trace.stay)
    return _normal(after[:MOST])


def _silent(belief: Belief, trace: Trace) -> Belief:
    if len(belief) == 1:
        return belief
    kept = math.exp(-STEP / trace.gap)
    after = [share * kept**count for count, share in enumerate(belief)]
    while len(after) > 1 and after[-1] < 1e-9 * after[0]:  # as good as nobody
        after.pop()
    return _normal(after)


def _normal(shares: Sequence[float]) -> Belief:
    total = sum(shares)
    return [share / total for share in shares]
