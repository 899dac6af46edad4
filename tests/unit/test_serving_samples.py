"""Samples: Prometheus text → counters → windows; resets and strange lines included."""

import math

from knative.serving.samples import Sample, Snapshot, parse, window

TEXT = """\
# HELP revision_app_request_count requests
# TYPE revision_app_request_count counter
revision_app_request_count{namespace_name="ns",service_name="a",revision_name="a-1",response_code="200",response_code_class="2xx"} 90
revision_app_request_count{namespace_name="ns",service_name="a",revision_name="a-1",response_code="503",response_code_class="5xx"} 10 1700000000000
revision_app_request_count{namespace_name="ns",service_name="a",revision_name="a-1",response_code="404",response_code_class="4xx"} NaN
revision_app_request_count{namespace_name="other",revision_name="a-1",response_code_class="2xx"} 7
revision_app_request_latencies_bucket{namespace_name="ns",revision_name="a-1",le="10"} 80
revision_app_request_latencies_bucket{namespace_name="ns",revision_name="a-1",le="100"} 95
revision_app_request_latencies_bucket{namespace_name="ns",revision_name="a-1",le="+Inf"} 96
up 1
not a metric at all
"""


def test_counts_errors_and_buckets_of_one_namespace_are_read() -> None:
    sample = parse(TEXT, "ns", 5.0).of("a-1")
    assert (sample.requests, sample.errors) == (100, 10)
    assert sample.latencies == {10.0: 80, 100.0: 15, math.inf: 1}
    assert (sample.timed, sample.above(10.0)) == (96, 16)


def test_a_quantile_is_the_bound_of_its_bucket() -> None:
    sample = parse(TEXT, "ns", 5.0).of("a-1")
    assert sample.quantile(0.5) == 10.0
    assert sample.quantile(0.95) == 100.0
    assert Sample().quantile(0.5) is None


def test_an_empty_answer_is_a_snapshot_without_revisions() -> None:
    assert parse("", "ns", 1.0) == Snapshot(1.0, {})
    assert Snapshot(1.0, {}).of("a-1") == Sample()


def test_a_window_is_the_difference_of_two_looks() -> None:
    before = Snapshot(1.0, {"a": Sample(10, 1, {10.0: 9})})
    after = Snapshot(2.0, {"a": Sample(30, 2, {10.0: 19, 100.0: 8})})
    assert window(before, after, "a") == Sample(20, 1, {10.0: 10, 100.0: 8})


def test_a_counter_that_went_down_was_reset_and_counts_anew() -> None:
    before = Snapshot(1.0, {"a": Sample(10, 1, {10.0: 9})})
    after = Snapshot(2.0, {"a": Sample(4, 0, {10.0: 4})})
    assert window(before, after, "a") == Sample(4, 0, {10.0: 4})
