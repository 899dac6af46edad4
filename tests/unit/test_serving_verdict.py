"""The verdict: what each pair of windows means."""

import math
import random

import pytest

from knative.serving import latency
from knative.serving.evidence import log_evidence
from knative.serving.policy import Policy
from knative.serving.samples import Sample
from knative.serving.verdict import Outcome, Windows, judge, overdue

POLICY = Policy(step_interval_seconds=10, min_samples=50)
FAST = {10.0: 95, 100.0: 5, 200.0: 0, 1000.0: 0, math.inf: 0}
SLOW = {10.0: 50, 100.0: 0, 200.0: 0, 1000.0: 50, math.inf: 0}


def look(stable: Sample, candidate: Sample, weight: int = 50, seconds: float = 60.0) -> Windows:
    return Windows(stable, candidate, weight, seconds)


@pytest.mark.parametrize(
    ("windows", "outcome", "says"),
    [
        (look(Sample(1000, 0), Sample(100, 0), 10), Outcome.SUCCESSFUL, "0 of 100"),
        (look(Sample(1000, 10), Sample(100, 1), 10), Outcome.SUCCESSFUL, "1 of 100"),
        (look(Sample(1000, 0), Sample(100, 0), 10, 5), Outcome.INCONCLUSIVE, "5 of 10 s"),
        (look(Sample(1000, 0), Sample(49, 0), 10), Outcome.INCONCLUSIVE, "49 of 50"),
        (look(Sample(49, 0), Sample(100, 0)), Outcome.INCONCLUSIVE, "49 of 50"),
        (look(Sample(1000, 0), Sample(20, 10), 10, 1), Outcome.FAILED, "10 of 20"),
        (look(Sample(1000, 10), Sample(100, 25), 10), Outcome.FAILED, "25 of 100"),
        (look(Sample(1000, 900), Sample(100, 99), 10), Outcome.FAILED, "the limit is 50.0%"),
        (look(Sample(100, 0, FAST), Sample(100, 0, SLOW)), Outcome.FAILED, "50 of 100"),
        (look(Sample(100, 0, FAST), Sample(100, 0, FAST)), Outcome.SUCCESSFUL, "p95"),
        (look(Sample(), Sample()), Outcome.INCONCLUSIVE, "0 of 50"),
    ],
)
def test_two_windows_give_one_verdict(windows: Windows, outcome: Outcome, says: str) -> None:
    verdict = judge(windows, POLICY)
    assert verdict.outcome is outcome
    assert says in verdict.evidence


def test_without_any_traffic_the_checks_before_decide_when_they_were_passed() -> None:
    windows = Windows(Sample(), Sample(), 5, 60, golden=True)
    assert judge(windows, POLICY).outcome is Outcome.SUCCESSFUL


def test_what_is_suspect_is_held_and_not_yet_refused() -> None:
    verdict = judge(look(Sample(1000, 10), Sample(100, 6), 10), POLICY)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.evidence.startswith("suspect")


def test_an_absolute_latency_limit_holds_whatever_stable_does() -> None:
    slow = Sample(100, 0, SLOW)
    assert judge(look(slow, slow), POLICY).outcome is Outcome.SUCCESSFUL
    limited = Policy(step_interval_seconds=10, min_samples=50, max_latency_ms=200)
    assert judge(look(slow, slow), limited).outcome is Outcome.FAILED


def test_inconclusive_has_a_bounded_life() -> None:
    policy = Policy(step_interval_seconds=10, max_inconclusive_seconds=20)
    assert not overdue(29.9, policy)
    assert overdue(30.0, policy)


def test_looking_after_every_request_still_rarely_refuses_an_equal_candidate() -> None:
    """MUST: P(evidence ever passes 1/a) is at most a (Ville); here a = 1 in 20, 400 looks a run."""
    chance = random.Random(7)  # noqa: S311 - a seeded simulation
    refused = 0
    for _ in range(300):
        hits = 0
        for trials in range(1, 401):
            hits += chance.random() < 0.2
            if log_evidence(hits, trials, 0.2) >= math.log(20):
                refused += 1
                break
    assert refused <= 300 / 20


def test_a_five_fold_error_rate_is_seen_at_five_percent_weight_within_400_requests() -> None:
    """MUST: 1 % → 5 % errors, median of at most 400 candidate requests."""
    chance = random.Random(11)  # noqa: S311 - a seeded simulation
    needed = []
    for _ in range(21):
        stable = candidate = failed_stable = failed = 0
        while candidate < 2000:
            stable, candidate = stable + 190, candidate + 10
            failed_stable += sum(chance.random() < 0.01 for _ in range(190))
            failed += sum(chance.random() < 0.05 for _ in range(10))
            windows = look(Sample(stable, failed_stable), Sample(candidate, failed), 5)
            if judge(windows, Policy()).outcome is Outcome.FAILED:
                break
        needed.append(candidate)
    assert sorted(needed)[10] <= 400


def shifted(share_slow: int, requests: int) -> Sample:
    """Of `requests`, `share_slow` percent take a second and all others ten milliseconds."""
    slow = requests * share_slow // 100
    return Sample(requests, 0, FAST | {10.0: requests - slow, 100.0: 0, 1000.0: slow})


def test_a_slower_tail_is_seen_where_the_named_quantile_sees_nothing() -> None:
    policy = Policy(step_interval_seconds=10, min_samples=50, latency_quantile=0.5)
    windows = look(shifted(1, 4000), shifted(20, 400), 10)
    verdict = judge(windows, policy)
    assert verdict.outcome is Outcome.FAILED
    assert "slower as a whole: 80 of 400" in verdict.evidence


def test_the_named_quantile_needs_no_share_of_the_traffic() -> None:
    policy = Policy(step_interval_seconds=10, min_samples=50)
    both = Sample(500, 0, shifted(1, 500).latencies), Sample(500, 0, shifted(20, 500).latencies)
    found = {test.says.split(":")[0]: test.log_e for test in latency.tests(*both, 1.0, policy)}
    assert found["slower as a whole"] <= 0
    assert found["p95 is slower"] > math.log(1500)


def test_looking_at_equal_latencies_again_and_again_rarely_refuses() -> None:
    """MUST: P(evidence ever passes 1/a) is at most a, at any quantile and with no slack at all."""
    chance = random.Random(5)  # noqa: S311 - a seeded simulation
    policy = Policy(max_latency_ratio=1.0, latency_slack_ms=0.0, latency_quantile=0.8)
    refused = 0
    for _ in range(200):
        stable, candidate = dict.fromkeys(FAST, 0), dict.fromkeys(FAST, 0)
        for at in range(150):
            side = candidate if at % 5 == 0 else stable
            side[chance.choice((10.0, 10.0, 10.0, 10.0, 100.0, 200.0))] += 1
            samples = [Sample(sum(side.values()), 0, side) for side in (stable, candidate)]
            tests = latency.tests(samples[0], samples[1], 0.2, policy)
            if max((test.log_e for test in tests), default=0.0) >= math.log(40):
                refused += 1
                break
    assert refused <= 200 / 20  # two tests, each at most 1 in 40
