"""What holds for every traffic and every pair of windows."""

import math

from hypothesis import given
from hypothesis import strategies as st

from knative.serving import traffic
from knative.serving.evidence import log_evidence
from knative.serving.policy import Policy
from knative.serving.samples import Sample
from knative.serving.traffic import Target
from knative.serving.verdict import Outcome, Windows, judge

NAMES = st.sampled_from(["s-00001", "s-00002", "s-00003"])
TAGS = st.sampled_from([None, "candidate", "previous", "mine", "yours"])
TARGETS = st.lists(st.builds(Target, NAMES, st.integers(0, 100), TAGS), max_size=5).map(tuple)
ORDER = [Outcome.FAILED, Outcome.INCONCLUSIVE, Outcome.SUCCESSFUL]
BOUNDS = (10.0, 100.0, 1000.0, math.inf)
POLICY = Policy(step_interval_seconds=0, min_samples=10)


@st.composite
def samples(draw: st.DrawFn) -> Sample:
    requests = draw(st.integers(0, 500))
    errors = draw(st.integers(0, requests))
    cuts = sorted(draw(st.lists(st.integers(0, requests), min_size=3, max_size=3)))
    counts = [b - a for a, b in zip([0, *cuts], [*cuts, requests], strict=True)]
    return Sample(requests, errors, dict(zip(BOUNDS, counts, strict=True)))


@given(TARGETS, NAMES, NAMES, st.integers(0, 100))
def test_percents_sum_to_100_and_other_tags_stay_in_every_write(
    before: traffic.Targets, stable: str, candidate: str, weight: int
) -> None:
    mine = {(t.revision, t.tag) for t in before if t.tag not in {None, *traffic.OURS}}
    for after in (
        traffic.pin(before, stable),
        traffic.split(before, stable, candidate, weight),
        traffic.introduce(before, candidate),
        traffic.promote(before, stable, candidate),
        traffic.rollback(before, stable),
    ):
        assert sum(target.percent for target in after) == 100
        assert {(t.revision, t.tag) for t in after} >= mine
        assert traffic.pinned(traffic.render(after))
        assert set(traffic.weights(after)) <= {stable, candidate}


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.001, 0.999))
def test_one_more_hit_never_weakens_the_evidence(hits: int, misses: int, null: float) -> None:
    less = log_evidence(hits, hits + misses, null)
    assert log_evidence(hits + 1, hits + misses + 1, null) >= less
    if misses:
        assert log_evidence(hits + 1, hits + misses, null) >= less


@given(samples(), samples(), st.sampled_from([5, 25, 50]), st.integers(1, 50))
def test_more_failures_of_the_candidate_never_improve_the_verdict(
    stable: Sample, candidate: Sample, weight: int, more: int
) -> None:
    errors = min(candidate.requests, candidate.errors + more)
    worse = Sample(candidate.requests, errors, candidate.latencies)
    before = judge(Windows(stable, candidate, weight, 60), POLICY).outcome
    after = judge(Windows(stable, worse, weight, 60), POLICY).outcome
    assert ORDER.index(after) <= ORDER.index(before)


@given(samples(), samples(), st.sampled_from([5, 25, 50]), st.sampled_from([0, 1, 2]))
def test_a_slower_candidate_never_improves_the_verdict(
    stable: Sample, candidate: Sample, weight: int, bucket: int
) -> None:
    slower = dict(candidate.latencies)
    slower[BOUNDS[bucket + 1]] += slower[BOUNDS[bucket]]
    slower[BOUNDS[bucket]] = 0
    worse = Sample(candidate.requests, candidate.errors, slower)
    before = judge(Windows(stable, candidate, weight, 60), POLICY).outcome
    after = judge(Windows(stable, worse, weight, 60), POLICY).outcome
    assert ORDER.index(after) <= ORDER.index(before)


@given(samples(), samples(), st.sampled_from([5, 25, 50]))
def test_without_samples_a_step_is_never_successful(
    stable: Sample, candidate: Sample, weight: int
) -> None:
    few = Sample(min(candidate.requests, POLICY.min_samples - 1), 0, {})
    assert judge(Windows(stable, few, weight, 60), POLICY).outcome is not Outcome.SUCCESSFUL
