"""Knative's refusals and defaults, word for word."""

from copy import deepcopy
from typing import Any

import pytest

from knative.local.errors import BadRequest
from knative.local.serving import rules
from knative.local.serving.faults import parse_duration, show_duration
from knative.local.serving.rules import PREFIX, Settings

Object = dict[str, Any]

AUTOSCALING = "autoscaling.knative.dev/"
NOTES = "spec.template.metadata.annotations"


def service(**spec: Any) -> Object:
    container = {"image": "example.com/bad:1"}
    template: Object = {"metadata": {}, "spec": {"containers": [container]}}
    return {"kind": "Service", "metadata": {"name": "bad"}, "spec": {"template": template, **spec}}


def with_pod(**fields: Any) -> Object:
    obj = service()
    obj["spec"]["template"]["spec"].update(fields)
    return obj


def with_container(**fields: Any) -> Object:
    obj = service()
    obj["spec"]["template"]["spec"]["containers"][0].update(fields)
    return obj


def with_notes(**notes: str) -> Object:
    obj = service()
    annotations = {AUTOSCALING + k.replace("_", "-"): v for k, v in notes.items()}
    obj["spec"]["template"]["metadata"]["annotations"] = annotations
    return obj


def refusal(obj: Object, old: Object | None = None, settings: Settings | None = None) -> str:
    new = deepcopy(obj)
    rules.default_service(new, old)
    with pytest.raises(BadRequest) as refused:
        rules.check_service(new, old, settings or Settings())
    assert refused.value.message.startswith(PREFIX)
    return refused.value.message.removeprefix(PREFIX)


def target(percent: int, **fields: Any) -> Object:
    return {"percent": percent, **fields}


REFUSALS = [
    (
        with_pod(containers=[{"image": "a"}, {"image": "b"}]),
        "a second container is not run by this platform: spec.template.spec.containers[1]",
    ),
    (
        with_container(livenessProbe={"exec": {"command": ["true"]}}),
        (
            "is not asked by this platform, only httpGet and tcpSocket are: "
            "spec.template.spec.containers[0].livenessProbe.exec"
        ),
    ),
    (
        with_pod(containerConcurrency=1, idleTimeoutSeconds=5),
        (
            "is not kept by this platform together with containerConcurrency: "
            "spec.template.spec.idleTimeoutSeconds"
        ),
    ),
    (
        with_pod(timeoutSeconds=10, responseStartTimeoutSeconds=20),
        "expected 0 <= 20 <= 10: spec.template.spec.responseStartTimeoutSeconds",
    ),
    (service(traffic=[target(90)]), "Traffic targets sum to 90, want 100: spec.traffic"),
    (
        service(traffic=[target(100, revisionName="bad-00001", latestRevision=True)]),
        (
            'may not set revisionName "bad-00001" when latestRevision is true: '
            "spec.traffic[0].latestRevision"
        ),
    ),
    (
        service(traffic=[target(50, tag="a"), target(50, tag="a")]),
        'Multiple definitions for "a": spec.traffic[0].tag, spec.traffic[1].tag',
    ),
    (with_pod(timeoutSeconds=3600), "expected 0 <= 3600 <= 600: spec.template.spec.timeoutSeconds"),
    (
        with_pod(containerConcurrency=5000),
        "expected 0 <= 5000 <= 1000: spec.template.spec.containerConcurrency",
    ),
    (
        with_notes(min_scale="5", max_scale="2"),
        (
            f"max-scale=2 is less than min-scale=5: {NOTES}.{AUTOSCALING}max-scale, "
            f"{NOTES}.{AUTOSCALING}min-scale"
        ),
    ),
    (with_notes(window="3s"), f"expected 6s <= 3s <= 1h0m0s: {NOTES}.{AUTOSCALING}window"),
    (
        with_notes(initial_scale="0"),
        f"invalid value: 0: {NOTES}.{AUTOSCALING}initial-scale=0 not allowed by cluster",
    ),
    (with_notes(min_scale="many"), f"invalid value: many: {NOTES}.{AUTOSCALING}min-scale"),
    (
        with_container(env=[{"name": "PORT", "value": "1"}]),
        '"PORT" is a reserved environment variable: spec.template.spec.containers[0].env[0].name',
    ),
    (
        with_container(ports=[{"containerPort": 8012}]),
        (
            "invalid value: 8012 is a reserved port: "
            "spec.template.spec.containers[0].ports.containerPort"
        ),
    ),
    (
        with_container(ports=[{"containerPort": 1}, {"containerPort": 2}]),
        "more than one container port is set: spec.template.spec.containers[*].ports",
    ),
    (
        with_pod(nodeSelector={"a": "b"}),
        "must not set the field(s): spec.template.spec.nodeSelector",
    ),
    (with_pod(tolerations=[{}]), "must not set the field(s): spec.template.spec.tolerations"),
    (
        with_pod(volumes=[{"name": "m", "persistentVolumeClaim": {"claimName": "models"}}]),
        (
            "Persistent volume claim support is disabled, but found persistent volume claim models: "
            "must not set the field(s): spec.template.spec.volumes[0].persistentVolumeClaim"
        ),
    ),
    (
        with_pod(volumes=[{"name": "m", "hostPath": {"path": "/"}}]),
        (
            "HostPath volume support is disabled, but found HostPath volume m: "
            "must not set the field(s): spec.template.spec.volumes[0].hostPath"
        ),
    ),
    (
        with_container(image="Bad Image"),
        (
            "Failed to parse image reference: spec.template.spec.containers[0].image\n"
            'image: "Bad Image", error: could not parse reference: Bad Image'
        ),
    ),
    (
        with_container(env=[{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "x"}}}]),
        "must not set the field(s): spec.template.spec.containers[0].env[0].valueFrom.fieldRef",
    ),
    (with_pod(containers=[]), "missing field(s): spec.template.spec.containers"),
    (with_container(image=""), "missing field(s): spec.template.spec.containers[0].image"),
]


@pytest.mark.parametrize(("obj", "words"), REFUSALS, ids=[words[:40] for _, words in REFUSALS])
def test_refusals_are_word_for_word(obj: Object, words: str) -> None:
    assert refusal(obj) == words


def test_a_tag_must_be_a_dns_label() -> None:
    words = refusal(service(traffic=[target(100, tag="A_b")]))
    assert words.startswith("invalid value: not a DNS 1035 label: [")
    assert words.endswith("]: spec.traffic[0].tag")


def test_autoscaling_annotations_on_the_service_are_refused() -> None:
    obj = service()
    obj["metadata"]["annotations"] = {"autoscaling.knative.dev/min-scale": "1"}
    assert refusal(obj) == (
        'invalid key name "autoscaling.knative.dev/min-scale": metadata.annotations\n'
        'autoscaling annotations must be put under "spec.template.metadata.annotations" to work'
    )


def test_a_rollout_duration_is_whole_seconds() -> None:
    place = "metadata.annotations.serving.knative.dev/rollout-duration"
    obj = service()
    for text, words in (
        ("soon", f"invalid value: soon: {place}"),
        ("1500ms", f"rolloutDuration=1500ms is not at second precision: {place}"),
    ):
        obj["metadata"]["annotations"] = {"serving.knative.dev/rollout-duration": text}
        assert refusal(obj) == words


def test_a_chosen_revision_name_needs_the_services_prefix() -> None:
    obj = service()
    obj["spec"]["template"]["metadata"]["name"] = "other-rev"
    assert refusal(obj) == (
        'invalid value: "other-rev" must have prefix "bad-": spec.template.metadata.name'
    )


def test_several_faults_are_all_told() -> None:
    obj = with_pod(timeoutSeconds=3600)
    obj["spec"]["traffic"] = [target(90)]
    assert len(refusal(obj).splitlines()) == 2


def test_switches_of_the_cluster_allow_what_is_off_by_default() -> None:
    features = {"kubernetes.podspec-persistent-volume-claim": "enabled"}
    settings = Settings(features, {"allow-zero-initial-scale": "true"})
    obj = with_notes(initial_scale="0")
    volume = {"name": "m", "persistentVolumeClaim": {"claimName": "models"}}
    obj["spec"]["template"]["spec"]["volumes"] = [volume]
    rules.default_service(obj, None)
    rules.check_service(obj, None, settings)


def test_a_plain_service_gets_knatives_defaults() -> None:
    obj = service()
    rules.default_service(obj, None)
    rules.check_service(obj, None, Settings())
    pod = obj["spec"]["template"]["spec"]
    assert (pod["timeoutSeconds"], pod["containerConcurrency"]) == (300, 0)
    assert pod["containers"][0]["name"] == "user-container"
    assert pod["containers"][0]["readinessProbe"] == {
        "successThreshold": 1,
        "tcpSocket": {"port": 0},
    }
    assert obj["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


def test_defaulting_twice_changes_nothing() -> None:
    obj = service()
    rules.default_service(obj, None)
    again = deepcopy(obj)
    rules.default_service(again, obj)
    assert again == obj


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6s", 6),
        ("1h0m0s", 3600),
        ("1m30s", 90),
        ("500ms", 0.5),
        ("0", 0),
        ("5", None),
        ("", None),
        ("1x", None),
        ("s", None),
        ("1s2", None),
    ],
)
def test_durations_are_gos(text: str, seconds: float | None) -> None:
    assert parse_duration(text) == seconds


def test_durations_are_shown_as_go_does() -> None:
    assert [show_duration(s) for s in (6, 90, 3600)] == ["6s", "1m30s", "1h0m0s"]


@pytest.mark.parametrize(
    "image",
    ["ner", "example.com/ner:1", "localhost:5000/a/b:v1.2_x", "ghcr.io/a/b@sha256:" + "a" * 64],
)
def test_image_references_that_are_good(image: str) -> None:
    obj = with_container(image=image)
    rules.default_service(obj, None)
    rules.check_service(obj, None, Settings())
