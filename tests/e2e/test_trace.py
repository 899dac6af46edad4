"""What a platform tells a collector: one trace from an upload to its promotion, and last samples."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from scripts.laptop.process import ROOT, platform
from scripts.laptop.provision import Contents, provision, wait_until_answering
from tests.support.collector import Collector, Seen, collecting

pytestmark = pytest.mark.timeout(240)
PROMOTED = "ai.marketresearch.rollout.promoted.v1"
MANIFEST = "models/ner-v1.0.0/model_config.json"
SECONDS = 60


def overlay(folder: Path, url: str) -> Path:
    """The demo's overlay, with a collector."""
    settings = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "marketresearch"},
        "data": {"OTEL_EXPORTER_OTLP_ENDPOINT": url},
    }
    up = os.path.relpath(ROOT / "knative/overlays/demo", folder.resolve())
    kustomization = {"resources": [up], "patches": [{"patch": yaml.safe_dump(settings)}]}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
    return folder


@pytest.fixture(scope="module")
def told(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """First models came, a question was answered, the platform ended: everything was told."""
    folder = tmp_path_factory.mktemp("traced")
    with collecting() as collector:
        with platform(folder / "data", 0, os.environ) as running:
            contents = Contents(overlay=overlay(folder, collector.url), models=trained_models)
            provision(running, contents, print)
            wait_until_answering(running, contents, print)
            deadline = time.monotonic() + SECONDS
            while not promotions(collector) and time.monotonic() < deadline:
                time.sleep(0.2)
        yield collector


def story(collector: Collector) -> list[Seen]:
    """The trace that the manifest's upload began, its first span first."""
    firsts = (
        span
        for span in collector.spans
        if span.service == "s3-source"
        and span.attributes.get("cloudevents.event_subject") == MANIFEST
    )
    first = next(firsts, None)
    if first is None:
        return []
    others = (s for s in collector.spans if s.trace == first.trace and s.id != first.id)
    return [first, *others]


def promotions(collector: Collector) -> list[Seen]:
    return [
        span
        for span in story(collector)
        if span.attributes.get("cloudevents.event_type") == PROMOTED
    ]


def test_one_trace_leads_from_the_manifests_upload_to_promoted(told: Collector) -> None:
    assert promotions(told)
    services = {span.service for span in story(told)}
    assert {"s3-source", "model-sync", "rollout", "warmer", "ner"} <= services


def test_every_span_of_the_story_has_a_parent_that_was_told(told: Collector) -> None:
    first, *others = story(told)
    known = {first.id, *(span.id for span in others)}
    assert first.parent == ""
    assert [span for span in others if span.parent not in known] == []


def test_every_event_of_the_story_links_to_its_start(told: Collector) -> None:
    first, *others = story(told)
    events = [span for span in others if "cloudevents.event_id" in span.attributes]
    assert len(events) >= 4
    assert all(first.id in span.links for span in events)


def test_a_call_inside_the_platform_waited_for_a_cold_start_at_most_once_a_process(
    told: Collector,
) -> None:
    requests = [span for span in told.spans if "faas.coldstart" in span.attributes]
    cold = [span for span in requests if span.attributes["faas.coldstart"]]
    assert cold
    assert len(cold) < len(requests)


def test_samples_of_processes_that_ended_are_not_lost(told: Collector) -> None:
    for service, metric in [
        ("embed-rebuild", "embedding_index_size"),
        ("model-sync", "event_deliveries_total"),
        ("rollout", "rollout_phase"),
        ("ner", "model_info"),
        ("ner", "inference_requests_total"),
        ("ner", "inference_latency_seconds"),
        ("inference", "cold_start_seconds"),
    ]:
        assert told.samples.get((service, metric)), f"{service} lost {metric}"
