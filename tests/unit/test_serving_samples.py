"""Samples: Prometheus text → counters → windows; resets and strange lines included."""

import math

import pytest

from knative.serving.samples import Sample, SamplesInvalid, Snapshot, parse, window

NOW = 1700000005.0
TEXT = """\
# HELP revision_app_request_count requests
# TYPE revision_app_request_count counter
revision_app_request_count{namespace_name="ns",service_name="a",revision_name="a-1",response_code="200",response_code_class="2xx"} 90
revision_app_request_count{namespace_name="ns",service_name="a",revision_name="a-1",response_code="503",response_code_class="5xx"} 10 1700000000000
revision_app_request_count{namespace_name="other",revision_name="a-1",response_code_class="2xx"} 7
revision_app_request_latencies_bucket{namespace_name="ns",revision_name="a-1",le="10"} 80
revision_app_request_latencies_bucket{namespace_name="ns",revision_name="a-1",le="100"} 95
revision_app_request_latencies_bucket{namespace_name="ns",revision_name="a-1",le="+Inf"} 96
up 1
not a metric at all
"""


def test_counts_errors_and_buckets_of_one_namespace_are_read() -> None:
    sample = parse(TEXT, "ns", NOW).of("a-1")
    assert (sample.requests, sample.errors) == (100, 10)
    assert sample.latencies == {10.0: 80, 100.0: 15, math.inf: 1}
    assert (sample.timed, sample.above(10.0)) == (96, 16)


def test_a_quantile_is_the_bound_of_its_bucket() -> None:
    sample = parse(TEXT, "ns", NOW).of("a-1")
    assert sample.quantile(0.5) == 10.0
    assert sample.quantile(0.95) == 100.0
    assert Sample().quantile(0.5) is None


def test_nobody_was_called_yet_is_a_snapshot_without_revisions() -> None:
    text = "# TYPE revision_app_request_count counter"
    assert parse(text, "ns", 1.0) == Snapshot(1.0, {})
    assert Snapshot(1.0, {}).of("a-1") == Sample()


def test_a_window_is_the_difference_of_two_looks() -> None:
    before = Snapshot(1.0, {"a": Sample(10, 1, {10.0: 9})})
    after = Snapshot(2.0, {"a": Sample(30, 2, {10.0: 19, 100.0: 8})})
    assert window(before, after, "a") == Sample(20, 1, {10.0: 10, 100.0: 8})


def test_a_counter_that_went_down_was_reset_and_counts_anew() -> None:
    before = Snapshot(1.0, {"a": Sample(10, 1, {10.0: 9})})
    after = Snapshot(2.0, {"a": Sample(4, 0, {10.0: 4})})
    assert window(before, after, "a") == Sample(4, 0, {10.0: 4})


COUNT = 'revision_app_request_count{namespace_name="ns",revision_name="a-1"} '
OTEL = """\
kn_serving_invocation_duration_seconds_count{k8s_namespace_name="ns",kn_revision_name="a-1",http_response_status_code="200"} 90
kn_serving_invocation_duration_seconds_count{k8s_namespace_name="ns",kn_revision_name="a-1",http_response_status_code="503"} 10
kn_serving_invocation_duration_seconds_bucket{k8s_namespace_name="ns",kn_revision_name="a-1",http_response_status_code="200",le="0.01"} 80
kn_serving_invocation_duration_seconds_bucket{k8s_namespace_name="ns",kn_revision_name="a-1",http_response_status_code="200",le="0.1"} 90
kn_serving_invocation_duration_seconds_bucket{k8s_namespace_name="ns",kn_revision_name="a-1",http_response_status_code="503",le="0.01"} 0
kn_serving_invocation_duration_seconds_bucket{k8s_namespace_name="ns",kn_revision_name="a-1",http_response_status_code="503",le="0.1"} 10
"""


def test_both_generations_of_the_metrics_mean_the_same() -> None:
    assert parse(OTEL, "ns", NOW).of("a-1") == Sample(100, 10, {10.0: 80, 100.0: 20})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "empty"),
        ("go_goroutines 7", "empty"),
        (COUNT + "NaN", "is nan"),
        (COUNT + "+Inf", "is inf"),
        (COUNT + "-1", "is -1"),
        (COUNT + "5 1699999900000", "105 s old"),
    ],
)
def test_numbers_that_say_nothing_of_now_are_refused(text: str, says: str) -> None:
    with pytest.raises(SamplesInvalid, match=says):
        parse(text, "ns", NOW)
