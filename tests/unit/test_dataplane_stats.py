"""Envoy's text → samples and Knative's request metrics."""

from collections import Counter

from knative.local.dataplane import stats
from knative.local.dataplane.stats import Reading

TEXT = """\
# TYPE envoy_cluster_upstream_rq counter
envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="rev/ns/a"} 7
envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="act/ns/a"} 2
envoy_cluster_upstream_rq{envoy_response_code="503",envoy_cluster_name="act/ns/a"} 1
envoy_cluster_upstream_rq{envoy_response_code="200",envoy_cluster_name="limit/ns/a"} 2
envoy_cluster_upstream_rq_active{envoy_cluster_name="rev/ns/a"} 1
envoy_cluster_upstream_rq_active{envoy_cluster_name="act/ns/a"} 4
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="rev/ns/a",le="5"} 6
envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="act/ns/a",le="5"} 0
envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="rev/ns/a"} 21
envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="act/ns/a"} 3000
envoy_cluster_upstream_rq_time_count{envoy_cluster_name="rev/ns/a"} 7
envoy_cluster_upstream_rq_time_count{envoy_cluster_name="act/ns/a"} 3
"""
KEY = ("ns", "a")


def reading(count: int, active: float = 0, busy_ms: float = 0) -> Reading:
    return Reading(active=active, busy_ms=busy_ms, codes=Counter({"200": count}))


def test_each_answer_counts_once_and_waiting_for_a_start_is_in_no_latency() -> None:
    found = stats.parse(TEXT)[KEY]
    assert found.codes == {"200": 9, "503": 1}
    assert found.active == 5
    assert (found.latency_count, found.latency_ms) == (7, 21)
    assert found.latency_buckets == {"5": 6}


def test_the_metrics_have_knatives_names_and_labels() -> None:
    labels = {"serving.knative.dev/service": "web", "serving.knative.dev/configuration": "web"}
    lines = stats.metrics(stats.parse(TEXT), {KEY: labels}).splitlines()
    names = 'namespace_name="ns",service_name="web",configuration_name="web",revision_name="a"'
    code = 'response_code="503",response_code_class="5xx"'
    assert f"revision_app_request_count{{{names},{code}}} 1" in lines
    assert f"revision_app_request_latencies_count{{{names}}} 7" in lines
    assert f'revision_app_request_latencies_bucket{{{names},le="5"}} 6' in lines


def test_short_requests_are_seen_by_the_time_they_took_and_long_ones_while_they_run() -> None:
    assert stats.concurrency(reading(0), reading(100, 0, 2500), 1) == 2.5
    assert stats.concurrency(reading(0), reading(0, 3), 1) == 3


def test_a_long_request_that_ends_counts_as_one_and_a_restart_of_envoy_as_nothing() -> None:
    assert stats.concurrency(reading(0), reading(1, 0, 60_000), 1) == 1
    assert stats.concurrency(reading(50, 0, 900), reading(2, 0, 10), 1) == 0
    assert stats.rate(reading(50), reading(2), 1) == 0
    assert stats.rate(reading(50), reading(70), 2) == 10
