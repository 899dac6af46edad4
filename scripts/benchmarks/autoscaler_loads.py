"""Four loads, and what the autoscaler's decision makes of them, second by second. Pure.

The decision is `knative.serving.autoscale` itself; simulated are only the load, which no number of
replicas changes, and that a replica is ready some seconds after it was asked for.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from knative.serving import autoscale
from knative.serving.autoscale import Memory, Policy, Sample

SECONDS, DECIDE_EVERY, START_SECONDS = 600, 2, 4
POLICY = Policy(target=7.0)  # 10 requests at once for a replica, of which 70 % are wanted
Load = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Moment:
    """One second: requests at work, replicas asked for and ready, and whether it panics."""

    load: float
    desired: int
    ready: int
    panic: bool


def step(second: int) -> float:
    """Return nothing, then 50 at once for five minutes, then nothing."""
    return 50.0 if 60 <= second < 360 else 0.0  # noqa: PLR2004 - the shape itself


def spike(second: int) -> float:
    """Return a little all the time, and twenty times as much for 15 seconds."""
    return 120.0 if 180 <= second < 195 else 6.0  # noqa: PLR2004 - the shape itself


def sine(second: int) -> float:
    """Return a day of four minutes."""
    return 40 - 40 * math.cos(2 * math.pi * second / 240)


def on_off(second: int) -> float:
    """Return 45 seconds of work, then 105 of none: more than the window, so it sleeps between."""
    return 30.0 if second % 150 < 45 else 0.0  # noqa: PLR2004 - the shape itself


LOADS: Mapping[str, Load] = {"step": step, "spike": spike, "sine": sine, "on/off": on_off}


def simulate(load: Load, policy: Policy = POLICY, seconds: int = SECONDS) -> list[Moment]:
    """Live through a load with one Revision that starts asleep."""
    memory = Memory(initialized=True)
    samples: list[Sample] = []
    started: list[int] = []  # when each replica was asked for, oldest first
    moments = []
    for now in range(seconds):
        samples = [*samples[-math.ceil(policy.stable_window) :], Sample(now, load(now))]
        ready = sum(now - at >= START_SECONDS for at in started)
        if load(now):
            memory = autoscale.wake(policy, memory, now)
        if now % DECIDE_EVERY == 0 and memory.desired:
            memory = autoscale.decide(policy, memory, samples, ready, now)
        started = (started + [now] * memory.desired)[: memory.desired]
        panic = memory.panic_since is not None
        moments.append(Moment(load(now), memory.desired, ready, panic))
    return moments
