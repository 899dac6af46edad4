"""The KPA's rules, one a test, with numbers small enough to check by hand."""

from collections.abc import Iterable

from knative.serving.autoscale import Memory, Policy, Sample, average, decide, start, wake

POLICY = Policy(target=10, stable_window=60)
RUNNING = Memory(desired=1, initialized=True, active_since=0)


def steady(value: float, until: float, seconds: int = 60) -> list[Sample]:
    return [Sample(until - n, value) for n in range(seconds)]


def after(samples: Iterable[Sample], ready: int, memory: Memory = RUNNING, now: float = 100) -> int:
    return decide(POLICY, memory, samples, ready, now).desired


def test_replicas_are_the_stable_load_over_the_target_rounded_up() -> None:
    assert after(steady(10, 100), 1) == 1
    assert after(steady(10.5, 100), 1) == 2


def test_samples_older_than_the_window_do_not_count() -> None:
    assert average([Sample(39, 1000), Sample(41, 2)], after=40) == 2


def test_without_samples_the_decision_stays() -> None:
    assert decide(POLICY, Memory(desired=4, initialized=True), [], 4, 100).desired == 4


def test_panic_starts_at_twice_what_there_is_and_only_goes_up() -> None:
    spike = [*steady(1, 94, 54), *steady(45, 100, 6)]
    memory = decide(POLICY, RUNNING, spike, 1, 100)
    assert (memory.desired, memory.panic_since) == (5, 100)
    calm = decide(POLICY, memory, [*spike, Sample(102, 1)], 5, 102)
    assert calm.desired == 5


def test_panic_ends_a_stable_window_after_its_last_reason() -> None:
    memory = Memory(desired=5, initialized=True, active_since=0, panic_since=0, panic_replicas=5)
    assert decide(POLICY, memory, steady(1, 60), 5, 60).desired == 5
    ended = decide(POLICY, memory, steady(1, 61), 5, 61)
    assert ended.panic_since is None
    assert ended.desired == 2  # at most halved


def test_one_decision_at_most_halves_and_multiplies_by_the_rates() -> None:
    assert after(steady(1, 100), 8) == 4
    slow = Policy(target=10, max_scale_up_rate=2)
    assert decide(slow, RUNNING, steady(1000, 100), 3, 100).desired == 6


def test_zero_is_reached_after_a_whole_window_without_load_and_not_before() -> None:
    young = Memory(desired=1, initialized=True, active_since=50)
    assert after(steady(0, 100, 50), 1, young) == 1
    assert after(steady(0, 110), 1, young, now=110) == 0


def test_the_last_replica_is_kept_for_the_retention_period() -> None:
    policy = Policy(target=10, pod_retention=30)
    memory = decide(policy, RUNNING, steady(0, 100), 1, 100)
    assert memory.desired == 1
    assert decide(policy, memory, steady(0, 129), 1, 129).desired == 1
    assert decide(policy, memory, steady(0, 130), 1, 130).desired == 0


def test_the_initial_scale_is_reached_once_whatever_the_load() -> None:
    policy = Policy(target=10, initial_scale=3)
    memory = start(policy, 0)
    assert memory.desired == 3
    assert decide(policy, memory, steady(0, 100), 2, 100).desired == 3
    assert decide(policy, memory, steady(0, 100), 3, 100).desired == 1


def test_min_and_max_scale_bound_the_decision_and_min_only_where_it_is_reachable() -> None:
    policy = Policy(target=10, min_scale=2, max_scale=3)
    assert decide(policy, RUNNING, steady(0, 100), 2, 100).desired == 2
    assert decide(policy, RUNNING, steady(0, 100), 1, 100, reachable=False).desired == 0
    assert decide(policy, RUNNING, steady(900, 100), 2, 100).desired == 3


def test_activation_scale_is_the_least_that_a_revision_wakes_to_and_runs_with_under_load() -> None:
    policy = Policy(target=10, activation_scale=3)
    assert wake(policy, Memory(initialized=True), 5).desired == 3
    assert decide(policy, RUNNING, steady(1, 100), 3, 100).desired == 3


def test_a_second_caller_does_not_wake_it_again() -> None:
    memory = wake(POLICY, Memory(initialized=True), 5)
    assert wake(POLICY, memory, 6) is memory


def test_scale_down_waits_for_the_delay() -> None:
    policy = Policy(target=10, stable_window=6, scale_down_delay=10)
    memory = decide(policy, RUNNING, steady(40, 100, 6), 4, 100)
    assert decide(policy, memory, steady(11, 108, 6), 4, 108).desired == 4
    assert decide(policy, memory, steady(11, 110, 6), 4, 110).desired == 2
