"""One Revision through a day, in steps of two seconds: replicas asked for and ready, and who waits.

The decision is `knative.serving.autoscale` itself, with Knative's defaults. Simulated are the
replicas, one core each: requests are shared out at random, and a replica works on all that it has
at once (M/G/1 processor sharing: a request takes seconds / (1 - load) on average). What ready
replicas cannot take waits in line, as a fluid. No random draw is made here.
"""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from knative.serving import autoscale
from knative.serving.autoscale import Memory, Policy, Sample

STEP = 2.0  # Knative's autoscaler decides as often
UTILISATION = 0.7  # of the target, Knative's default
FULL = 0.95  # above it the formula for a steady state says nothing
SETTLES = (
    0.1  # a queue near its capacity needs some ten steps to become as long as the formula says
)


@dataclass(frozen=True, slots=True)
class Target:
    """What a replica should carry at most: requests a second (`by_rate`), or requests at once."""

    value: float
    by_rate: bool


@dataclass(frozen=True, slots=True)
class Function:
    """Seconds of one core that a request takes, and seconds until a new replica is ready."""

    seconds: float
    start: float
    target: Target


@dataclass(frozen=True, slots=True)
class Moment:
    """One step: replicas that cost something, and what its requests met.

    `waited`: seconds until a replica took them; `load`: how busy a ready replica's core was.
    """

    replicas: int
    waited: float
    load: float


class Replicas:
    """How many are ready, and when those that start will be; the newest go first."""

    def __init__(self) -> None:
        self.ready = 0
        self._starting: deque[tuple[float, int]] = deque()

    def scale(self, wanted: int, now: float, start: float) -> None:
        """Add or remove what is missing or too much."""
        missing = wanted - self.ready - sum(count for _, count in self._starting)
        if missing > 0:
            self._starting.append((now + start, missing))
        while missing < 0 and self._starting:
            at, count = self._starting.pop()
            if count + missing > 0:
                self._starting.append((at, count + missing))
            missing = min(0, count + missing)
        self.ready += min(0, missing)

    def advance(self, now: float) -> None:
        """Count those that are ready by now."""
        while self._starting and self._starting[0][0] <= now:
            self.ready += self._starting.popleft()[1]

    def until_first(self, now: float) -> float:
        """Return how long until somebody is ready."""
        return 0.0 if self.ready or not self._starting else max(0.0, self._starting[0][0] - now)


class Revision:
    """One function's replicas, its autoscaler's memory, and the requests that wait in line."""

    def __init__(self, function: Function) -> None:
        self._function, self._replicas = function, Replicas()
        self._waiting = self._load = 0.0
        self._policy = Policy(target=function.target.value * UTILISATION)
        self._kept = replace(self._policy, min_scale=1)
        self._memory = Memory(initialized=True)
        self._samples: deque[Sample] = deque(maxlen=int(self._policy.stable_window / STEP))

    def step(self, now: float, arrived: int, *, keep: bool) -> Moment:
        """Decide, then work for two seconds."""
        self._scale(now, keep=keep, needed=keep or arrived > 0)
        return self._work(now, arrived)

    def _scale(self, now: float, *, keep: bool, needed: bool) -> None:
        policy, replicas = self._kept if keep else self._policy, self._replicas
        replicas.advance(now)
        if needed:
            self._memory = autoscale.wake(policy, self._memory, now)
        if self._memory.desired:
            self._memory = autoscale.decide(
                policy, self._memory, self._samples, replicas.ready, now
            )
        replicas.scale(self._memory.desired, now, self._function.start)

    def _work(self, now: float, arrived: int) -> Moment:
        middle, seconds = now + STEP / 2, self._function.seconds
        self._replicas.advance(middle)
        able = self._replicas.ready * STEP / seconds
        done = min(self._waiting + arrived, able)
        self._load += ((done / able if able else 0.0) - self._load) * SETTLES
        line = self._waiting / able * STEP if able else self._replicas.until_first(middle)
        self._waiting += arrived - done
        at_once = self._waiting + done * seconds / STEP / (1 - min(self._load, FULL))
        value = arrived / STEP if self._function.target.by_rate else at_once
        self._samples.append(Sample(now + STEP, value))
        return Moment(self._memory.desired, line, self._load)


def simulate(function: Function, arrivals: Sequence[int], kept: Sequence[bool]) -> Iterator[Moment]:
    """Live through the day; `kept`: in which steps the forecast keeps one replica at least."""
    revision = Revision(function)
    for number, (arrived, keep) in enumerate(zip(arrivals, kept, strict=True)):
        yield revision.step(number * STEP, arrived, keep=keep)
