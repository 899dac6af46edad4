"""Knative Serving's semantics, as `kubectl` sees them."""

import json
from typing import Any

import yaml

from tests.support.kube_api import KubeApi

Object = dict[str, Any]


def patch(kube: KubeApi, name: str, change: Object) -> None:
    kube.kubectl("patch", "ksvc", name, "--type=merge", "-p", json.dumps(change))


def wait(kube: KubeApi, name: str, path: str, value: str) -> None:
    kube.kubectl("wait", f"ksvc/{name}", f"--for=jsonpath={path}={value}", "--timeout=10s")


def env(value: str) -> Object:
    container = {"image": "example.com/fn:1", "env": [{"name": "A", "value": value}]}
    return {"spec": {"template": {"spec": {"containers": [container]}}}}


def condition(obj: Object, kind: str) -> Object:
    return next(c for c in obj["status"]["conditions"] if c["type"] == kind)


def started(kube: KubeApi, service: Object) -> str:
    """Apply a Service, let its first Revision become ready, and return its name."""
    kube.apply(service)
    name = str(service["metadata"]["name"])
    kube.set_ready(f"{name}-00001")
    kube.kubectl("wait", f"ksvc/{name}", "--for=condition=Ready", "--timeout=10s")
    return name


def test_a_service_becomes_ready_with_its_addresses(kube: KubeApi, service: Object) -> None:
    name = started(kube, service)
    status = kube.get("ksvc", name)["status"]
    assert status["url"] == f"http://{name}.marketresearch.localhost:8080"
    assert status["address"]["url"] == f"http://{name}.marketresearch.svc.cluster.local"
    assert status["latestReadyRevisionName"] == f"{name}-00001"
    assert status["traffic"] == [
        {"latestRevision": True, "percent": 100, "revisionName": f"{name}-00001"}
    ]
    labels = kube.get("rev", f"{name}-00001")["metadata"]["labels"]
    assert labels["serving.knative.dev/service"] == name
    assert labels["serving.knative.dev/routingState"] == "active"


def test_a_template_change_makes_a_revision_and_other_changes_make_none(
    kube: KubeApi, service: Object
) -> None:
    name = started(kube, service)
    kube.kubectl("annotate", "ksvc", name, "note=1")
    kube.kubectl("label", "ksvc", name, "note=1")
    patch(kube, name, {"spec": {"traffic": [{"revisionName": f"{name}-00001", "percent": 100}]}})
    patch(kube, name, env("b"))
    kube.wait_for(f"{name}-00002")
    listed = kube.kubectl("get", "rev", "-l", f"serving.knative.dev/service={name}", "-o", "name")
    assert len(listed.splitlines()) == 2


def test_a_new_ready_revision_takes_traffic_from_the_latest(kube: KubeApi, service: Object) -> None:
    name = started(kube, service)
    patch(kube, name, env("b"))
    kube.set_ready(f"{name}-00002")
    wait(kube, name, "{.status.traffic[0].revisionName}", f"{name}-00002")


def test_a_failing_revision_never_takes_traffic(kube: KubeApi, service: Object) -> None:
    name = started(kube, service)
    patch(kube, name, env("b"))
    kube.set_ready(f"{name}-00002", "False", "it cannot start")
    kube.kubectl("wait", f"ksvc/{name}", "--for=condition=Ready=False", "--timeout=10s")
    found = kube.get("ksvc", name)
    assert found["status"]["traffic"][0]["revisionName"] == f"{name}-00001"
    ready = condition(found, "ConfigurationsReady")
    assert ready["reason"] == "RevisionFailed"
    assert ready["message"] == (f'Revision "{name}-00002" failed with message: it cannot start.')


def test_a_missing_revision_keeps_the_whole_previous_traffic(
    kube: KubeApi, service: Object
) -> None:
    name = started(kube, service)
    patch(kube, name, {"spec": {"traffic": [{"revisionName": "nope", "percent": 100}]}})
    kube.kubectl("wait", f"ksvc/{name}", "--for=condition=RoutesReady=False", "--timeout=10s")
    found = kube.get("ksvc", name)
    told = condition(found, "RoutesReady")
    assert told["reason"] == "RevisionMissing"
    assert told["message"] == 'Revision "nope" referenced in traffic not found.'
    assert found["status"]["traffic"][0]["revisionName"] == f"{name}-00001"


def test_a_tagged_revision_that_is_not_ready_leaves_the_old_routing_until_it_is(
    kube: KubeApi, service: Object
) -> None:
    name = started(kube, service)
    traffic = [
        {"revisionName": f"{name}-00001", "percent": 100},
        {"revisionName": f"{name}-00002", "percent": 0, "tag": "candidate"},
    ]
    patch(kube, name, {"spec": {**env("b")["spec"], "traffic": traffic}})
    kube.wait_for(f"{name}-00002")
    kube.kubectl("wait", f"ksvc/{name}", "--for=condition=RoutesReady=Unknown", "--timeout=10s")
    told = condition(kube.get("ksvc", name), "RoutesReady")
    assert told["message"] == f'Revision "{name}-00002" is not yet ready.'
    kube.set_ready(f"{name}-00002")
    wait(kube, name, "{.status.traffic[1].tag}", "candidate")
    tagged = kube.get("ksvc", name)["status"]["traffic"][1]
    assert tagged["url"] == f"http://candidate-{name}.marketresearch.localhost:8080"


def test_a_cluster_local_service_has_only_the_internal_name(kube: KubeApi, service: Object) -> None:
    label = {"networking.knative.dev/visibility": "cluster-local"}
    service["metadata"]["labels"] = label
    name = started(kube, service)
    assert kube.get("ksvc", name)["status"]["url"] == (
        f"http://{name}.marketresearch.svc.cluster.local"
    )


def test_deleting_a_service_deletes_what_it_made(kube: KubeApi, service: Object) -> None:
    name = started(kube, service)
    kube.kubectl("delete", "ksvc", name)
    for kind, child in (("cfg", name), ("rt", name), ("rev", f"{name}-00001")):
        assert "NotFound" in kube.refused("get", kind, child)


def test_a_revision_cannot_be_changed_but_annotated(kube: KubeApi, service: Object) -> None:
    name = started(kube, service)
    kube.kubectl("annotate", "rev", f"{name}-00001", "autoscaling.knative.dev/min-scale=1")
    change = '{"spec":{"timeoutSeconds":5}}'
    refusal = kube.refused("patch", "rev", f"{name}-00001", "--type=merge", "-p", change)
    assert "Immutable fields changed (-old +new): spec" in refusal


def test_a_chosen_revision_name_allows_no_change_without_a_new_name(
    kube: KubeApi, service: Object, name: str
) -> None:
    service["spec"]["template"]["metadata"] = {"name": f"{name}-one"}
    kube.apply(service)
    kube.wait_for(f"{name}-one")
    service["spec"]["template"]["spec"]["timeoutSeconds"] = 5
    refusal = kube.refused("apply", "-f", "-", stdin=yaml.safe_dump(service))
    assert "Saw the following changes without a name change (-old +new)" in refusal


def test_refusals_are_knatives_own(kube: KubeApi, service: Object) -> None:
    service["spec"]["traffic"] = [{"latestRevision": True, "percent": 90}]
    refusal = kube.refused("apply", "-f", "-", stdin=yaml.safe_dump(service))
    assert (
        'admission webhook "validation.webhook.serving.knative.dev" denied the request: '
        "validation failed: Traffic targets sum to 90, want 100: spec.traffic"
    ) in refusal
