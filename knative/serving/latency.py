"""Latency: a named quantile and the whole distribution, both valid under continuous looking.

Everything is said in the buckets' own bounds, which are fixed before any request comes. Of each
bound b, stable's, the candidate may be as slow as f(b) = ratio * b + slack, rounded up to a bucket.

Shift: a request is late when it took longer than b (stable's) or than f(b) (the candidate's). If
the candidate is nowhere slower than allowed, a late request is the candidate's with at most its
share of the requests: the labels of late requests are judged as those of errors are (Lindon & Malek,
NeurIPS 2022), and the evidence is averaged over all bounds. This is stochastic dominance tested
without any assumption on shapes, in the spirit of Howard & Ramdas, "Sequential estimation of
quantiles with applications to A/B testing and best-arm identification" (Bernoulli 28, 2022).

Quantile: the candidate's q is above f(stable's q) when for some b stable's is below b and the
candidate's above f(b); the weaker of the two evidences counts, averaged over all bounds. Estimating
stable's quantile first, and testing against the estimate, would refuse equals. Cold starts are not
in the histogram. Pure.
"""

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass

from knative.serving.evidence import NONE, Test, average, log_evidence
from knative.serving.policy import Policy
from knative.serving.samples import Sample


@dataclass(frozen=True, slots=True)
class _Late:
    """Requests later than one bound: stable's than `bound`, the candidate's than `allowed`."""

    bound: float
    allowed: float
    candidate: int
    stable: int

    def says(self, stable: Sample, candidate: Sample) -> str:
        """Put it in words."""
        return (
            f"{self.candidate} of {candidate.timed} candidate requests over {self.allowed:g} ms, "
            f"{self.stable} of {stable.timed} of stable over {self.bound:g} ms"
        )


def tests(stable: Sample, candidate: Sample, share: float, policy: Policy) -> Iterator[Test]:
    """Yield the tests that the samples allow; `share` is the candidate's share of requests."""
    if not candidate.timed:
        return
    if policy.max_latency_ms:
        yield _absolute(candidate, policy)
    late = tuple(_late(stable, candidate, policy)) if stable.timed else ()
    if not late:
        return
    seen = candidate.timed / (candidate.timed + stable.timed)
    yield _shift(late, (stable, candidate), max(share, seen))
    yield _quantile(late, (stable, candidate), policy)


def _late(stable: Sample, candidate: Sample, policy: Policy) -> Iterator[_Late]:
    after = list(_above(candidate))
    for bound, above in _above(stable):
        wanted = bound * policy.max_latency_ratio + policy.latency_slack_ms
        at = bisect_left(after, (wanted, 0))
        yield _Late(bound, *(after[at] if at < len(after) else (wanted, 0)), above)


def _above(sample: Sample) -> Iterator[tuple[float, int]]:
    left = sample.timed
    for bound in sorted(sample.latencies):
        left -= sample.latencies[bound]
        yield bound, left


def _shift(late: tuple[_Late, ...], both: tuple[Sample, Sample], share: float) -> Test:
    logs = [log_evidence(at.candidate, at.candidate + at.stable, share) for at in late]
    worst = late[logs.index(max(logs))]
    return Test(average(logs), f"slower as a whole: {worst.says(*both)}")


def _quantile(late: tuple[_Late, ...], both: tuple[Sample, Sample], policy: Policy) -> Test:
    quantile = policy.latency_quantile
    stable, candidate = both[0].timed, both[1].timed
    logs = [
        NONE  # most bounds: spares the other test
        if at.candidate <= candidate * (1.0 - quantile)
        else min(
            log_evidence(stable - at.stable, stable, quantile),
            log_evidence(at.candidate, candidate, 1.0 - quantile),
        )
        for at in late
    ]
    worst = late[logs.index(max(logs))]
    return Test(average(logs), f"p{quantile * 100:g} is slower: {worst.says(*both)}")


def _absolute(candidate: Sample, policy: Policy) -> Test:
    """Only whole buckets count as slow: the limit is rounded up to a bucket's bound."""
    limit = policy.max_latency_ms
    bound = min((le for le in candidate.latencies if le >= limit), default=limit)
    slow, allowed = candidate.above(bound), 1.0 - policy.latency_quantile
    return Test(
        log_evidence(slow, candidate.timed, allowed),
        f"{slow} of {candidate.timed} candidate requests over {bound:g} ms, "
        f"{allowed:.1%} are allowed",
    )
