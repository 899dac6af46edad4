"""The KPA's decision: how many replicas a Revision should have, from samples and `now`. Pure.

The rules are Knative's. Two windows look at the same samples: the stable one decides; the panic one
(a tenth of it) takes over when it wants at least twice what there is, and while it does, nothing
scales down. One decision never multiplies replicas by more than `max_scale_up_rate` nor divides
them by more than `max_scale_down_rate`. Zero is reached only after a whole stable window without
a request.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Policy:
    """The settings of one Revision; seconds, and `target` in the unit of the samples."""

    target: float = 70.0  # what one replica should carry: concurrency or requests a second
    stable_window: float = 60.0
    panic_window_percentage: float = 10.0
    panic_threshold: float = 2.0
    max_scale_up_rate: float = 1000.0
    max_scale_down_rate: float = 2.0
    initial_scale: int = 1
    min_scale: int = 0
    max_scale: int = 0  # 0 is unlimited
    activation_scale: int = 1
    scale_down_delay: float = 0.0
    pod_retention: float = 0.0  # how long the last replica stays when nothing needs it any more

    @property
    def panic_window(self) -> float:
        """Return the short window, at least one sample long."""
        return max(1.0, self.stable_window * self.panic_window_percentage / 100)


@dataclass(frozen=True, slots=True)
class Sample:
    """The average load of all replicas and the activator together, over the second before `at`."""

    at: float
    value: float


@dataclass(frozen=True, slots=True)
class Memory:
    """What a decision needs to know of the ones before it."""

    desired: int = 0
    initialized: bool = False  # the initial scale was reached once
    active_since: float | None = None
    idle_since: float | None = None
    panic_since: float | None = None
    panic_replicas: int = 0
    recent: tuple[tuple[float, int], ...] = ()  # decisions within the scale-down delay


def start(policy: Policy, now: float) -> Memory:
    """Begin the life of a new Revision: the initial scale, then what its load asks for."""
    desired = _bounded(policy, max(policy.initial_scale, policy.min_scale), reachable=True)
    return Memory(desired=desired, initialized=not desired, active_since=now)


def wake(policy: Policy, memory: Memory, now: float) -> Memory:
    """Answer a request that waits at a Revision with no replica."""
    if memory.desired:
        return memory
    desired = _bounded(policy, max(1, policy.activation_scale), reachable=True)
    return replace(memory, desired=desired, active_since=now, idle_since=None)


def decide(
    policy: Policy,
    memory: Memory,
    samples: Iterable[Sample],
    ready: int,
    now: float,
    *,
    reachable: bool = True,
) -> Memory:
    """Return the next memory; its `desired` is the decision. Without samples nothing changes."""
    kept = [s for s in samples if now - policy.stable_window < s.at <= now]
    memory = _initialized(policy, memory, ready)
    if kept:
        memory, wanted = _wanted(policy, memory, kept, ready, now)
        memory, wanted = _delayed(policy, memory, wanted, now)
        memory, wanted = _toward_zero(policy, memory, wanted, now)
    else:
        wanted = memory.desired
    if not memory.initialized:
        wanted = max(wanted, policy.initial_scale)
    desired = _bounded(policy, wanted, reachable=reachable)
    since = memory.active_since
    if not desired:
        since = None
    elif since is None:
        since = now
    return replace(memory, desired=desired, active_since=since)


def average(samples: Iterable[Sample], after: float) -> float:
    """Return the mean of the samples later than `after`, 0 when there are none."""
    values = [s.value for s in samples if s.at > after]
    return math.fsum(values) / len(values) if values else 0.0


def _initialized(policy: Policy, memory: Memory, ready: int) -> Memory:
    if memory.initialized or ready < policy.initial_scale:
        return memory
    return replace(memory, initialized=True)


def _wanted(
    policy: Policy, memory: Memory, samples: list[Sample], ready: int, now: float
) -> tuple[Memory, int]:
    base = max(1, ready)
    stable = math.ceil(average(samples, now - policy.stable_window) / policy.target)
    panic = math.ceil(average(samples, now - policy.panic_window) / policy.target)
    most = math.ceil(policy.max_scale_up_rate * base)
    least = math.floor(ready / policy.max_scale_down_rate)
    over = panic / base >= policy.panic_threshold
    if stable:
        stable = max(stable, policy.activation_scale)
    stable, panic = (min(max(n, least), most) for n in (stable, panic))
    memory = _panic(memory, policy, now, over=over)
    if memory.panic_since is None:
        return memory, stable
    wanted = max(stable, panic, memory.panic_replicas)
    return replace(memory, panic_replicas=wanted), wanted


def _panic(memory: Memory, policy: Policy, now: float, *, over: bool) -> Memory:
    if over:
        return replace(memory, panic_since=now)
    if memory.panic_since is not None and now - memory.panic_since > policy.stable_window:
        return replace(memory, panic_since=None, panic_replicas=0)
    return memory


def _delayed(policy: Policy, memory: Memory, wanted: int, now: float) -> tuple[Memory, int]:
    if not policy.scale_down_delay:
        return memory, wanted
    kept = [(at, n) for at, n in memory.recent if now - at < policy.scale_down_delay]
    recent = (*kept, (now, wanted))
    return replace(memory, recent=recent), max(n for _, n in recent)


def _toward_zero(policy: Policy, memory: Memory, wanted: int, now: float) -> tuple[Memory, int]:
    if wanted:
        return replace(memory, idle_since=None), wanted
    idle = now if memory.idle_since is None else memory.idle_since
    memory = replace(memory, idle_since=idle)
    active = now if memory.active_since is None else memory.active_since
    young = now - active < policy.stable_window
    held = now - idle < policy.pod_retention
    return memory, int(bool(memory.desired) and (young or held))


def _bounded(policy: Policy, wanted: int, *, reachable: bool) -> int:
    wanted = max(wanted, policy.min_scale if reachable else 0)
    return min(wanted, policy.max_scale) if policy.max_scale else wanted
