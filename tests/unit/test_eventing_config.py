"""Who is told what: the Triggers as they are deployed, asked about events as they arrive."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from eventing.cloudevent import CloudEvent, attributes_of
from eventing.delivery import policy
from eventing.events import PAYLOADS
from eventing.filters import compile_trigger

CONFIG = Path(__file__).parents[2] / "eventing" / "config"
NS = "/apis/v1/namespaces/any/pingsources/"
CREATED = "com.amazonaws.s3.ObjectCreated:"
PING = "dev.knative.sources.ping"
CHANGED = "dev.knative.apiserver.ref.update"


def objects(kind: str) -> list[dict[str, Any]]:
    documents = [
        document
        for file in CONFIG.glob("*.yaml")
        for document in yaml.safe_load_all(file.read_text())
    ]
    return [document for document in documents if document["kind"] == kind]


def told(**attributes: Any) -> set[str]:
    known = {"id": "1", "source": "s", "type": "t"}
    event = attributes_of(CloudEvent(**(known | attributes)))
    return {
        trigger["spec"]["subscriber"]["ref"]["name"]
        for trigger in objects("Trigger")
        if compile_trigger(trigger["spec"])(event)
    }


@pytest.mark.parametrize(
    ("event", "services"),
    [
        ({"type": CREATED + "Put", "subject": "models/a-v1.0.0/model_config.json"}, {"model-sync"}),
        ({"type": CREATED + "CompleteMultipartUpload", "subject": "models/a/model_config.json"},
         {"model-sync"}),
        ({"type": "com.amazonaws.s3.ObjectRemoved:Delete", "subject": "models/a/model_config.json"},
         set()),
        ({"type": CREATED + "Put", "subject": "models/a-v1.0.0/model.safetensors"}, set()),
        ({"type": CREATED + "Put", "subject": "models/a/my_model_config.json"}, set()),
        ({"type": CREATED + "Copy", "subject": "documents/a b.md"}, {"embed-rebuild"}),
        ({"type": "com.amazonaws.s3.ObjectRemoved:Delete", "subject": "documents/a.md"},
         {"embed-rebuild"}),
        ({"type": CREATED + "Put", "subject": "indexes/1/x"}, set()),
        ({"type": "ai.marketresearch.index.rebuild-requested.v1"}, {"embed-rebuild"}),
        ({"type": "ai.marketresearch.model.synced.v1"}, {"rollout", "embed-rebuild"}),
        ({"type": PING, "source": NS + "embed-rebuild-nightly"}, {"embed-rebuild"}),
        ({"type": PING, "source": NS + "rollout-tick"}, {"rollout"}),
        ({"type": PING, "source": NS + "rollout-resync"}, {"rollout"}),
        ({"type": PING, "source": NS + "somebody-elses"}, set()),
        ({"type": CHANGED, "extensions": {"kind": "Service", "name": "ner"}}, {"rollout"}),
        ({"type": CHANGED, "extensions": {"kind": "Service", "name": "rollout"}}, set()),
        ({"type": CHANGED, "extensions": {"kind": "Revision", "name": "ner-1"}}, set()),
        ({"type": "ai.marketresearch.rollout.started.v1"}, {"warmer"}),
        ({"type": "ai.marketresearch.rollout.promoted.v1"}, {"warmer"}),
        ({"type": "ai.marketresearch.rollout.rolledback.v1"}, {"warmer"}),
        ({"type": "ai.marketresearch.rollout.progressed.v1"}, set()),
        ({"type": "unknown"}, set()),
    ],
)  # fmt: skip
def test_an_event_is_told_to(event: dict[str, Any], services: set[str]) -> None:
    assert told(**event) == services


def test_every_type_of_ours_that_a_trigger_names_is_one_of_ours() -> None:
    text = (CONFIG / "triggers.yaml").read_text()
    named = {word for word in text.split() if word.startswith("ai.marketresearch.")}
    assert named <= PAYLOADS.keys()


def test_every_delivery_is_one_that_we_understand() -> None:
    (broker,) = objects("Broker")
    for trigger in objects("Trigger"):
        policy(broker["spec"]["delivery"], trigger["spec"].get("delivery"))


def test_no_object_names_a_namespace_for_that_is_the_overlays() -> None:
    kinds = ("Broker", "Trigger", "PingSource", "ContainerSource", "ApiServerSource", "Service")
    for kind in kinds:
        for found in objects(kind):
            assert "namespace" not in found["metadata"]
            assert "namespace:" not in yaml.safe_dump(found["spec"])


@pytest.mark.parametrize("module", ["eventing.broker", "eventing.ingress", "eventing.source"])
def test_nothing_imports_boto3_before_it_needs_it(module: str) -> None:
    code = f"import {module}, sys; sys.exit('boto3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
