"""Who may talk to whom on a cluster: nobody, but for the paths that are listed."""

from typing import Any

import pytest

from tests.support.manifests import CLUSTER, OVERLAYS, Object, overlay, pods, with_component

SENDERS = ("rollout", "s3-events")
"""Functions that post to the Broker themselves."""


def _policies(name: str) -> dict[str, Object]:
    return {o["metadata"]["name"]: o["spec"] for o in overlay(name) if o["kind"] == "NetworkPolicy"}


@pytest.mark.parametrize("name", CLUSTER)
def test_everything_is_denied_but_for_the_listed_paths(name: str) -> None:
    found = _policies(name)
    denied = found.pop("default-deny")
    assert denied == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    for policy_name, spec in found.items():
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            assert rule["ports"], policy_name
            assert rule.get("from") or rule.get("to"), policy_name


@pytest.mark.parametrize("name", CLUSTER)
def test_a_path_out_is_given_to_functions_that_exist_and_no_other(name: str) -> None:
    services = {
        o["metadata"]["name"]
        for o in overlay(name)
        if o["apiVersion"] == "serving.knative.dev/v1" and o["kind"] == "Service"
    }
    outside = {}
    for policy_name, spec in _policies(name).items():
        rules: list[Any] = spec["podSelector"].get("matchExpressions", [])
        chosen = {value for rule in rules for value in rule.get("values", [])}
        one = spec["podSelector"].get("matchLabels", {}).get("serving.knative.dev/service")
        chosen |= {one} if one else set()
        assert chosen <= services, policy_name
        if any("ipBlock" in to for rule in spec.get("egress", []) for to in rule.get("to", [])):
            outside[policy_name] = chosen
    assert outside == {
        "functions-to-s3": {"model-sync", "embed-rebuild"},
        "source-to-sqs": set(),
        "api-server": {"rollout", "model-sync"},
        "service-changes-to-the-broker": set(),
        "webhook-to-sns": {"s3-events"},
    }


def test_inference_has_a_way_to_the_outside_only_with_the_component_for_it() -> None:
    (found,) = (
        o["spec"]
        for o in with_component("openai-egress")
        if o["metadata"]["name"] == "inference-to-openai"
    )
    assert found["podSelector"] == {"matchLabels": {"serving.knative.dev/service": "inference"}}
    (block,) = (to["ipBlock"] for rule in found["egress"] for to in rule["to"])
    assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(
        block["except"]
    )


def test_ner_reaches_its_candidate_and_remembers_requests_only_with_the_component_for_it() -> None:
    for objects, share, ways in (
        (overlay("cpu"), None, set()),
        (with_component("shadow"), "0.05", {"kourier-system"}),
    ):
        (ner,) = (
            o for o in objects if o["metadata"]["name"] == "ner" and "template" in o.get("spec", {})
        )
        (container,) = ner["spec"]["template"]["spec"]["containers"]
        env = {one["name"]: one.get("value") for one in container["env"]}
        assert env.get("NER_SHADOW_SHARE") == share
        assert _ways(objects, "serving.knative.dev/service", "ner") == ways


@pytest.mark.parametrize("name", CLUSTER)
def test_whoever_knative_runs_beside_us_has_a_way_to_the_api_server_and_the_broker(
    name: str,
) -> None:
    for source in (o for o in overlay(name) if o["kind"] == "ApiServerSource"):
        ways = _ways(overlay(name), "eventing.knative.dev/sourceName", source["metadata"]["name"])
        assert {"outside", "knative-eventing"} <= ways


def test_what_a_component_makes_knative_run_beside_us_has_its_ways() -> None:
    forecast = with_component("forecast")
    assert _ways(forecast, "serving.knative.dev/service", "warmer") == {"outside"}
    sqs = with_component("aws-sqs")
    made = "s3-queue-containersource"
    found = _ways(sqs, "sources.knative.dev/containerSource", made)
    assert found == {"outside", "kourier-system"}
    rabbit = with_component("rabbitmq-broker")
    found = _ways(rabbit, "eventing.knative.dev/broker", "default")
    assert found == {"rabbitmq", "kourier-system", "default"}
    senders = (
        ("app.kubernetes.io/name", "s3-queue"),
        ("eventing.knative.dev/sourceName", "services"),
    )
    for key, value in senders:
        assert "default" in _ways(rabbit, key, value)
    for objects in (sqs, rabbit):
        (ours,) = (o for o in objects if o["kind"] == "Namespace")
        assert ours["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "baseline"


def _ways(objects: list[Object], key: str, value: str) -> set[str]:
    """Where Pods with this very label may go: `outside`, a namespace, or Pods by their label."""
    found = set()
    for spec in (o["spec"] for o in objects if o["kind"] == "NetworkPolicy"):
        if spec["podSelector"].get("matchLabels") == {key: value}:
            for to in (to for rule in spec.get("egress", []) for to in rule["to"]):
                kinds = to.get("namespaceSelector") or to.get("podSelector") or {}
                found |= set(kinds.get("matchLabels", {"": "outside"}).values())
    return found


def test_whoever_sends_to_the_broker_is_named_in_its_policy_and_shows_a_token() -> None:
    objects = with_component("eventing-oidc")
    policy_ = next(o["spec"] for o in objects if o["kind"] == "EventPolicy")
    assert [to["ref"]["kind"] for to in policy_["to"]] == ["Broker"]
    known = [
        one["sub"].removeprefix("system:serviceaccount:marketresearch:") for one in policy_["from"]
    ]
    to_the_broker = [f"{o['metadata']['name']}-" for o in objects if _sends(o)]
    assert len(to_the_broker) >= 8
    for name in to_the_broker:
        assert any(one.endswith("*") and one.startswith(name) for one in known), name
    assert set(SENDERS) <= set(known)
    audiences = {}
    for owner, pod in pods(objects):
        for volume in pod.get("volumes", []):
            for source in volume.get("projected", {}).get("sources", []):
                audiences[owner] = source["serviceAccountToken"]["audience"]
    expected = "eventing.knative.dev/broker/marketresearch/default"
    assert audiences == {f"Service/{name}": expected for name in SENDERS}


def _sends(found: Object) -> bool:
    """Whether it is a source of the Broker's, or a Trigger, whose subscriber may reply."""
    sink = found.get("spec", {}).get("sink", {}).get("ref", {})
    return found["kind"] == "Trigger" or sink.get("kind") == "Broker"


@pytest.mark.parametrize("name", OVERLAYS)
def test_only_what_faces_the_world_has_a_public_address(name: str) -> None:
    public = {
        o["metadata"]["name"]
        for o in overlay(name)
        if o["apiVersion"] == "serving.knative.dev/v1"
        and o["kind"] == "Service"
        and "networking.knative.dev/visibility" not in o["metadata"]["labels"]
    }
    assert public == {"inference", "s3-events"}
