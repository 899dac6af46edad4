"""The verdict: two windows of requests over the same time + policy → Successful, Failed, Inconclusive.

Every comparison is an e-process (`evidence`), so one may look at any time and as often as one likes.

Errors: given that a request failed, it was the candidate's with probability w under the null, where
w is its share of requests; the labels of the errors are then Bernoulli(w), whatever stable's own
error rate is. This is the test of Lindon & Malek, "Anytime-Valid Inference for Multinomial Count
Data" (NeurIPS 2022), one-sided. Latency, a quantile and the whole distribution: `latency`. Pure.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from knative.serving import latency
from knative.serving.evidence import Test, log_evidence
from knative.serving.policy import Policy
from knative.serving.samples import Sample
from knative.serving.traffic import WHOLE

_TESTS = 5
_SUSPECT = math.log(3.0)
"""Evidence to wait at: `./scripts/bench verdict` misses far fewer regressions with 3 than with 20."""


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


def judge(windows: Windows, policy: Policy) -> Verdict:
    """Judge one step; Failed can come at any look, Successful only after interval and samples."""
    worst = max(_tests(windows, policy), key=lambda test: test.log_e)
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


def _tests(windows: Windows, policy: Policy) -> Iterator[Test]:
    stable, candidate = windows.stable, windows.candidate
    share = _share(windows)
    ratio = policy.max_error_ratio
    null = share * ratio / (share * ratio + 1.0 - share) if share < 1.0 else 1.0
    yield Test(
        log_evidence(candidate.errors, candidate.errors + stable.errors, null),
        f"candidate failed {_of(candidate)}, stable {_of(stable)}",
    )
    yield Test(
        log_evidence(candidate.errors, candidate.requests, policy.max_error_rate),
        f"candidate failed {_of(candidate)}, the limit is {policy.max_error_rate:.1%}",
    )
    yield from latency.tests(stable, candidate, share, policy)


def _share(windows: Windows) -> float:
    """Return the candidate's share: the weight, or what was seen if that is more."""
    requests = windows.candidate.requests + windows.stable.requests
    seen = windows.candidate.requests / requests if requests else 0.0
    return max(windows.weight / WHOLE, seen)


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
