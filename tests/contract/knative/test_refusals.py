"""What Knative Serving's webhook refuses, word for word, as `kubectl apply` prints it."""

import copy
from typing import Any

import pytest
import yaml

from tests.support.knative_target import Target

Object = dict[str, Any]

WEBHOOK = (
    'admission webhook "validation.webhook.serving.knative.dev" denied the request: '
    "validation failed: "
)
NOTES = "spec.template.metadata.annotations"
AUTO = "autoscaling.knative.dev/"
POD = "spec.template.spec"

# name of the rule: what is merged into a good Service → the refusal; `bad` is the Service's name.
REFUSALS: dict[str, tuple[Object, str]] = {
    "percents sum to 100": (
        {"spec": {"traffic": [{"latestRevision": True, "percent": 90}]}},
        "Traffic targets sum to 90, want 100: spec.traffic",
    ),
    "a target is latest or named": (
        {
            "spec": {
                "traffic": [{"revisionName": "bad-00001", "latestRevision": True, "percent": 100}]
            }
        },
        (
            'may not set revisionName "bad-00001" when latestRevision is true: '
            "spec.traffic[0].latestRevision"
        ),
    ),
    "a tag is defined once": (
        {
            "spec": {
                "traffic": [
                    {"latestRevision": True, "percent": 50, "tag": "a"},
                    {"latestRevision": True, "percent": 50, "tag": "a"},
                ]
            }
        },
        'Multiple definitions for "a": spec.traffic[0].tag, spec.traffic[1].tag',
    ),
    "a tag is a DNS label": (
        {"spec": {"traffic": [{"latestRevision": True, "percent": 100, "tag": "A_b"}]}},
        "invalid value: not a DNS 1035 label: [",
    ),
    "timeoutSeconds is at most 600": (
        {"spec": {"template": {"spec": {"timeoutSeconds": 3600}}}},
        f"expected 0 <= 3600 <= 600: {POD}.timeoutSeconds",
    ),
    "containerConcurrency is at most 1000": (
        {"spec": {"template": {"spec": {"containerConcurrency": 5000}}}},
        f"expected 0 <= 5000 <= 1000: {POD}.containerConcurrency",
    ),
    "max-scale is not below min-scale": (
        {
            "spec": {
                "template": {
                    "metadata": {"annotations": {f"{AUTO}min-scale": "5", f"{AUTO}max-scale": "2"}}
                }
            }
        },
        f"max-scale=2 is less than min-scale=5: {NOTES}.{AUTO}max-scale, {NOTES}.{AUTO}min-scale",
    ),
    "a window is 6 s to 1 h": (
        {"spec": {"template": {"metadata": {"annotations": {f"{AUTO}window": "3s"}}}}},
        f"expected 6s <= 3s <= 1h0m0s: {NOTES}.{AUTO}window",
    ),
    "initial-scale 0 needs the operator's leave": (
        {"spec": {"template": {"metadata": {"annotations": {f"{AUTO}initial-scale": "0"}}}}},
        f"invalid value: 0: {NOTES}.{AUTO}initial-scale=0 not allowed by cluster",
    ),
    "autoscaling belongs into the template": (
        {"metadata": {"annotations": {f"{AUTO}min-scale": "1"}}},
        (
            f'invalid key name "{AUTO}min-scale": metadata.annotations\nautoscaling annotations must '
            'be put under "spec.template.metadata.annotations" to work'
        ),
    ),
    "a chosen Revision name has the Service's prefix": (
        {"spec": {"template": {"metadata": {"name": "other-rev"}}}},
        'invalid value: "other-rev" must have prefix "bad-": spec.template.metadata.name',
    ),
    "PORT is Knative's own": (
        {"container": {"env": [{"name": "PORT", "value": "1"}]}},
        f'"PORT" is a reserved environment variable: {POD}.containers[0].env[0].name',
    ),
    "queue-proxy's ports are reserved": (
        {"container": {"ports": [{"containerPort": 8012}]}},
        f"invalid value: 8012 is a reserved port: {POD}.containers[0].ports.containerPort",
    ),
    "there is one container port": (
        {"container": {"ports": [{"containerPort": 1001}, {"containerPort": 1002}]}},
        f"more than one container port is set: {POD}.containers[*].ports",
    ),
    "hostPath volumes are off": (
        {"spec": {"template": {"spec": {"volumes": [{"name": "m", "hostPath": {"path": "/"}}]}}}},
        (
            "HostPath volume support is disabled, but found HostPath volume m: must not set the "
            f"field(s): {POD}.volumes[0].hostPath"
        ),
    ),
    "an image is a reference": (
        {"container": {"image": "Bad Image"}},
        (
            f"Failed to parse image reference: {POD}.containers[0].image\n"
            'image: "Bad Image", error: could not parse reference: Bad Image'
        ),
    ),
}


def merged(into: Object, change: Object) -> Object:
    """Merge objects; anything else replaces."""
    for key, value in change.items():
        before = into.get(key)
        into[key] = merged(before, value) if isinstance(before, dict) else value
    return into


@pytest.mark.parametrize("rule", REFUSALS)
def test_a_service_is_refused_in_knatives_words(knative: Target, rule: str) -> None:
    change, words = copy.deepcopy(REFUSALS[rule])
    service = knative.service("bad")
    merged(service["spec"]["template"]["spec"]["containers"][0], change.pop("container", {}))
    merged(service, change)
    refusal = knative.refused("apply", "-f", "-", stdin=yaml.safe_dump(service))
    assert f"{WEBHOOK}{words}" in refusal


def test_a_refused_change_changes_nothing(knative: Target, name: str) -> None:
    knative.started(knative.service(name))
    before = knative.get("ksvc", name)["metadata"]["resourceVersion"]
    change = '{"spec":{"traffic":[{"latestRevision":true,"percent":90}]}}'
    refusal = knative.refused("patch", "ksvc", name, "--type=merge", "-p", change)
    assert "Traffic targets sum to 90, want 100: spec.traffic" in refusal
    assert knative.get("ksvc", name)["metadata"]["resourceVersion"] == before


def test_an_unknown_field_is_refused_under_strict_validation_and_warned_of_otherwise(
    knative: Target, name: str
) -> None:
    service = knative.service(name)
    service["spec"]["template"]["spec"]["containers"][0]["imagee"] = "x"
    manifest = yaml.safe_dump(service)
    field = 'unknown field "spec.template.spec.containers[0].imagee"'
    assert field in knative.refused("apply", "-f", "-", stdin=manifest)
    lenient = knative.run("apply", "--validate=warn", "-f", "-", stdin=manifest)
    assert lenient.returncode == 0
    assert f"Warning: {field}" in lenient.stderr
