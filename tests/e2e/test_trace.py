"""What a platform tells a collector: one trace from an upload to its promotion, and last samples."""

import pytest

from tests.support.watched import Watched, promotions, story

pytestmark = pytest.mark.timeout(400)


def test_one_trace_leads_from_the_manifests_upload_to_promoted(told: Watched) -> None:
    assert promotions(told.collector)
    services = {span.service for span in story(told.collector)}
    assert {"s3-source", "model-sync", "rollout", "warmer", "ner"} <= services


def test_every_span_of_the_story_has_a_parent_that_was_told(told: Watched) -> None:
    first, *others = story(told.collector)
    known = {first.id, *(span.id for span in others)}
    assert first.parent == ""
    assert [span for span in others if span.parent not in known] == []


def test_every_event_of_the_story_links_to_its_start(told: Watched) -> None:
    first, *others = story(told.collector)
    events = [span for span in others if "cloudevents.event_id" in span.attributes]
    assert len(events) >= 4
    assert all(first.id in span.links for span in events)


def test_a_call_inside_the_platform_waited_for_a_cold_start_at_most_once_a_process(
    told: Watched,
) -> None:
    requests = [span for span in told.collector.spans if "faas.coldstart" in span.attributes]
    cold = [span for span in requests if span.attributes["faas.coldstart"]]
    assert cold
    assert len(cold) < len(requests)


def test_samples_of_processes_that_ended_are_not_lost(told: Watched) -> None:
    for service, metric in [
        ("embed-rebuild", "embedding_index_size"),
        ("model-sync", "event_deliveries_total"),
        ("rollout", "rollout_phase"),
        ("ner", "model_info"),
        ("ner", "inference_requests_total"),
        ("ner", "inference_latency_seconds"),
        ("inference", "cold_start_seconds"),
    ]:
        assert told.collector.samples.get((service, metric)), f"{service} lost {metric}"
