"""The verdict: two windows of requests over the same time + policy → Successful, Failed, Inconclusive.

Looked at every two seconds, an ordinary test would sooner or later refuse any candidate. So each
comparison is an e-process: a mixture of likelihood ratios whose chance of *ever* passing 1/a is at
most a (Ville's inequality; Robbins 1970, Ann. Math. Statist. 41), however often one looks.

Errors: given that a request failed, it was the candidate's with probability w under the null, where
w is its share of requests; the labels of the errors are then Bernoulli(w), whatever stable's own
error rate is. This is the test of Lindon & Malek, "Anytime-Valid Inference for Multinomial Count
Data" (NeurIPS 2022), one-sided. Latency: the share of the candidate's requests that are slower than
stable's quantile (plus the policy's slack) is Bernoulli too, and tested in the same way. Pure.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from knative.serving.policy import Policy
from knative.serving.samples import Sample
from knative.serving.traffic import WHOLE

_ODDS = (1.2, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 20.0, 50.0)
_TESTS = 4
_SUSPECT = math.log(20.0)


class Outcome(StrEnum):
    """What is to be done with the candidate at this step."""

    SUCCESSFUL = "Successful"
    FAILED = "Failed"
    INCONCLUSIVE = "Inconclusive"


@dataclass(frozen=True, slots=True)
class Windows:
    """What both Revisions did since the step began, `seconds` ago; `weight` is in percent.

    `golden` says that the checks before the canary were passed: with no traffic at all they decide.
    """

    stable: Sample
    candidate: Sample
    weight: int
    seconds: float
    golden: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """An outcome, and the numbers that led to it, as one sentence for a person."""

    outcome: Outcome
    evidence: str


@dataclass(frozen=True, slots=True)
class _Test:
    """`log_e`: log of the evidence against "no worse"; `says`: the numbers, in words."""

    log_e: float
    says: str


def log_evidence(hits: int, trials: int, null: float) -> float:
    """Return the log e-value of `hits` in `trials` against "the chance of a hit is ≤ `null`".

    The alternatives are a fixed grid of odds ratios, so that no special functions are needed; the
    mixture is valid at any time, and more hits never make it smaller.
    """
    if not 0.0 < null < 1.0 or not trials:
        return 0.0
    terms = []
    for ratio in _ODDS:
        shrink = math.log1p(null * (ratio - 1.0))
        terms.append(hits * (math.log(ratio) - shrink) - (trials - hits) * shrink)
    top = max(terms)
    return top + math.log(math.fsum(math.exp(term - top) for term in terms) / len(terms))


def judge(windows: Windows, policy: Policy) -> Verdict:
    """Judge one step; Failed can come at any look, Successful only after interval and samples."""
    tests = (*_error_tests(windows, policy), *_latency_tests(windows, policy))
    worst = max(tests, key=lambda test: test.log_e)
    if worst.log_e >= _limit(policy):
        return Verdict(Outcome.FAILED, f"{worst.says} (evidence {_e(worst.log_e)} to 1)")
    lacking = _lacking(windows, policy)
    if lacking:
        return Verdict(Outcome.INCONCLUSIVE, lacking)
    if worst.log_e >= _SUSPECT:
        return Verdict(Outcome.INCONCLUSIVE, f"suspect: {worst.says}")
    if _silent(windows):
        return Verdict(Outcome.SUCCESSFUL, "no traffic; the checks before it decide")
    return Verdict(Outcome.SUCCESSFUL, _summary(windows, policy))


def overdue(seconds: float, policy: Policy) -> bool:
    """Whether a step that began `seconds` ago has been Inconclusive for too long."""
    return seconds >= policy.step_interval_seconds + policy.max_inconclusive_seconds


def _limit(policy: Policy) -> float:
    """Return the log of 1/a, a shared out evenly over the tests and the steps of a rollout."""
    looks = _TESTS * max(1, len(policy.steps) - 1)
    return math.log(looks / policy.false_rollback_rate)


def _lacking(windows: Windows, policy: Policy) -> str:
    if windows.seconds < policy.step_interval_seconds:
        return f"{windows.seconds:.0f} of {policy.step_interval_seconds:.0f} s at this step"
    if _silent(windows) and windows.golden:
        return ""
    stable, candidate, needed = windows.stable, windows.candidate, policy.min_samples
    if candidate.requests < needed:
        return f"{candidate.requests} of {needed} samples of the candidate"
    if windows.weight < WHOLE and stable.requests < needed:
        return f"{stable.requests} of {needed} samples of stable"
    return ""


def _silent(windows: Windows) -> bool:
    return not windows.stable.requests and not windows.candidate.requests


def _error_tests(windows: Windows, policy: Policy) -> tuple[_Test, ...]:
    stable, candidate = windows.stable, windows.candidate
    share = _share(windows)
    ratio = policy.max_error_ratio
    null = share * ratio / (share * ratio + 1.0 - share) if share < 1.0 else 1.0
    both = candidate.errors + stable.errors
    return (
        _Test(
            log_evidence(candidate.errors, both, null),
            f"candidate failed {_of(candidate)}, stable {_of(stable)}",
        ),
        _Test(
            log_evidence(candidate.errors, candidate.requests, policy.max_error_rate),
            f"candidate failed {_of(candidate)}, the limit is {policy.max_error_rate:.1%}",
        ),
    )


def _share(windows: Windows) -> float:
    """Return the candidate's share: the weight, or what was seen if that is more."""
    requests = windows.candidate.requests + windows.stable.requests
    seen = windows.candidate.requests / requests if requests else 0.0
    return max(windows.weight / WHOLE, seen)


def _latency_tests(windows: Windows, policy: Policy) -> tuple[_Test, ...]:
    limits = []
    usual = windows.stable.quantile(policy.latency_quantile)
    if usual is not None and windows.stable.timed >= policy.min_samples:
        limits.append(usual * policy.max_latency_ratio + policy.latency_slack_ms)
    if policy.max_latency_ms:
        limits.append(policy.max_latency_ms)
    return tuple(_slow(windows.candidate, limit, policy) for limit in limits)


def _slow(candidate: Sample, limit: float, policy: Policy) -> _Test:
    """Only whole buckets count as slow: the limit is rounded up to a bucket's bound."""
    bound = min((le for le in candidate.latencies if le >= limit), default=limit)
    slow, timed = candidate.above(bound), candidate.timed
    allowed = 1.0 - policy.latency_quantile
    return _Test(
        log_evidence(slow, timed, allowed),
        f"{slow} of {timed} candidate requests over {bound:g} ms, {allowed:.1%} are allowed",
    )


def _summary(windows: Windows, policy: Policy) -> str:
    quantile = policy.latency_quantile
    slow = [sample.quantile(quantile) for sample in (windows.candidate, windows.stable)]
    text = f"candidate failed {_of(windows.candidate)}, stable {_of(windows.stable)}"
    if None in slow:
        return text
    return f"{text}; p{quantile * 100:g} ≤ {slow[0]:g} ms, stable ≤ {slow[1]:g} ms"


def _of(sample: Sample) -> str:
    return f"{sample.errors} of {sample.requests}"


def _e(log_e: float) -> str:
    return f"{math.exp(min(log_e, 50.0)):.3g}"
