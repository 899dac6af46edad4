"""The autoscaler against a second statement of its rules, written as differently as possible."""

from dataclasses import dataclass, field
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from knative.serving.autoscale import Memory, Policy, Sample, decide, start, wake

LOADS = st.lists(
    st.tuples(st.integers(0, 200), st.integers(1, 20)), min_size=1, max_size=8
)  # (load, for how many seconds)
POLICIES = st.builds(
    Policy,
    target=st.sampled_from([1.0, 7.0, 70.0]),
    stable_window=st.sampled_from([6.0, 20.0, 60.0]),
    max_scale_up_rate=st.sampled_from([2.0, 10.0, 1000.0]),
    max_scale_down_rate=st.sampled_from([2.0, 4.0]),
    min_scale=st.integers(0, 2),
    max_scale=st.sampled_from([0, 5, 50]),
)


@dataclass
class Plain:
    """The rules once more, second by second, with exact numbers and no shared code."""

    policy: Policy
    history: list[tuple[int, int]] = field(default_factory=list)
    alarm: int | None = None  # the last second that asked for panic
    peak: int = 0

    def mean(self, now: int, seconds: float) -> Fraction:
        values = [v for at, v in self.history if now - seconds < at <= now]
        return Fraction(sum(values), len(values)) if values else Fraction(0)

    def step(self, now: int, ready: int) -> int:
        p = self.policy
        up = int(p.max_scale_up_rate) * max(ready, 1)
        down = ready // int(p.max_scale_down_rate)
        windows = (p.stable_window, max(1.0, p.stable_window / 10))
        wants = [-(-self.mean(now, window) // int(p.target)) for window in windows]
        if wants[1] >= 2 * max(ready, 1):
            self.alarm = now
        elif self.alarm is not None and now - self.alarm > p.stable_window:
            self.alarm, self.peak = None, 0
        clamped = [min(up, max(down, int(w))) for w in wants]
        if self.alarm is None:
            wanted = clamped[0]
        else:
            wanted = self.peak = max(self.peak, *clamped)
        young = now < p.stable_window
        if not wanted and young:
            wanted = 1
        wanted = max(wanted, p.min_scale)
        return min(wanted, p.max_scale) if p.max_scale else wanted


@given(POLICIES, LOADS)
def test_it_decides_as_the_plain_statement_of_the_rules(
    policy: Policy, loads: list[tuple[int, int]]
) -> None:
    plain, memory = Plain(policy), Memory(desired=1, initialized=True, active_since=0)
    ready, now, samples = 1, 0, []
    for load, seconds in loads:
        for _ in range(seconds):
            now += 1
            plain.history.append((now, load))
            samples.append(Sample(now, load))
        memory = decide(policy, memory, samples, ready, now)
        if memory.desired:
            assert memory.desired == plain.step(now, ready)
        else:
            assert plain.step(now, ready) in (0, 1)  # it was asleep already: nothing is young then
            break
        ready = memory.desired


@given(POLICIES, LOADS)
def test_bounds_hold_in_every_decision(policy: Policy, loads: list[tuple[int, int]]) -> None:
    memory, now, samples = start(policy, 0), 0, []
    for load, seconds in loads:
        now += seconds
        samples.append(Sample(now, load))
        memory = decide(policy, memory, samples, memory.desired, now)
        assert memory.desired >= (
            min(policy.min_scale, policy.max_scale) if policy.max_scale else policy.min_scale
        )
        assert not policy.max_scale or memory.desired <= policy.max_scale
        if load and not memory.desired:
            memory = wake(policy, memory, now)
            assert memory.desired >= 1


@given(POLICIES, st.integers(1, 200), st.integers(0, 20))
def test_more_load_never_means_fewer_replicas(policy: Policy, load: int, ready: int) -> None:
    running = Memory(desired=ready, initialized=True, active_since=-1000)
    less, more = (
        decide(policy, running, [Sample(n, value) for n in range(60)], ready, 59).desired
        for value in (load, load * 2)
    )
    assert less <= more
