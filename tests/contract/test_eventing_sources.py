"""Sources and SinkBindings as objects: what the controllers make of them, and say of them."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from knative.local.eventing.pings import schedule
from tests.support.eventing import BROKER, INGRESS, NS, Eventing
from tests.support.subscriber import eventually


async def test_a_ping_source_ticks_every_second_and_stops_when_deleted(eventing: Eventing) -> None:
    spec = {
        "schedule": "* * * * * *",
        "contentType": "application/json",
        "data": '{"hello": 1}',
        "ceOverrides": {"extensions": {"extra": "x"}},
        "sink": {"uri": f"http://sink.{NS}.svc.cluster.local/"},
    }
    eventing.create("sources.knative.dev/v1", "PingSource", "p", spec)
    await eventing.until("PingSource", "p", "True")
    await eventually(lambda: len(eventing.events) == 2)
    eventing.store.delete("PingSource", NS, "p")
    first, second = eventing.events[:2]
    assert first.type == "dev.knative.sources.ping"
    assert first.source == f"/apis/v1/namespaces/{NS}/pingsources/p"
    assert (first.data, first.extensions) == ({"hello": 1}, {"extra": "x"})
    assert first.id != second.id


@pytest.mark.parametrize(
    "spec",
    [{"schedule": "@every 5s"}, {"schedule": "* * *"}, {"schedule": "61 * * * *"},
     {"schedule": "* * * * *", "timezone": "Mars/Olympus"},
     {"schedule": "* * * * *", "dataBase64": "%"}],
)  # fmt: skip
async def test_a_schedule_that_is_none_is_not_ready(
    eventing: Eventing, spec: dict[str, Any]
) -> None:
    sink = {"uri": "http://x.example/"}
    eventing.create("sources.knative.dev/v1", "PingSource", "p", spec | {"sink": sink})
    await eventing.until("PingSource", "p", "False", "ValidSchedule")


def test_schedules_follow_their_time_zone_over_the_change_of_clocks() -> None:
    times = schedule("0 2 * * *", "Europe/Berlin", datetime(2026, 7, 1, tzinfo=UTC))
    assert next(times).astimezone(UTC) == datetime(2026, 7, 2, tzinfo=UTC)
    winter = schedule("0 0 2 * * *", "Europe/Berlin", datetime(2026, 12, 1, tzinfo=UTC))
    assert next(winter).astimezone(UTC) == datetime(2026, 12, 1, 1, tzinfo=UTC)


async def test_an_api_server_source_tells_changes_and_not_what_was_there(
    eventing: Eventing,
) -> None:
    eventing.service("old")
    resources = [{"apiVersion": "serving.knative.dev/v1", "kind": "Service"}]
    spec = {"resources": resources, "sink": {"uri": f"http://sink.{NS}.svc.cluster.local/"}}
    eventing.create("sources.knative.dev/v1", "ApiServerSource", "a", spec)
    await eventing.until("ApiServerSource", "a", "True")
    eventing.service("new")
    await eventually(lambda: eventing.events)
    old = eventing.store.get("Service", NS, "old")
    old["metadata"]["labels"] = {"x": "y"}
    eventing.store.update(old)
    eventing.store.delete("Service", NS, "new")
    await eventually(lambda: len(eventing.events) == 3)
    types = [event.type.removeprefix("dev.knative.apiserver.ref.") for event in eventing.events]
    assert types == ["add", "update", "delete"]
    event = eventing.events[1]
    assert event.subject == f"/apis/serving.knative.dev/v1/namespaces/{NS}/services/old"
    assert event.data == {
        "apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "old", "namespace": NS,
    }  # fmt: skip
    assert event.extensions == {
        "apiversion": "serving.knative.dev/v1", "kind": "Service", "name": "old", "namespace": NS,
    }  # fmt: skip


async def test_resource_mode_tells_the_whole_object_of_matching_labels(eventing: Eventing) -> None:
    selector = {"matchLabels": {"watch": "yes"}}
    resources = [{"apiVersion": "v1", "kind": "ConfigMap", "selector": selector}]
    sink = {"uri": f"http://sink.{NS}.svc.cluster.local/"}
    spec = {"mode": "Resource", "resources": resources, "sink": sink}
    eventing.create("sources.knative.dev/v1", "ApiServerSource", "a", spec)
    await eventing.until("ApiServerSource", "a", "True")
    for name, labels in (("no", {}), ("yes", {"watch": "yes"})):
        meta = {"name": name, "namespace": NS, "labels": labels}
        eventing.store.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"a": "b"}}
        )
    await eventually(lambda: eventing.events)
    (event,) = eventing.events
    assert event.type == "dev.knative.apiserver.resource.add"
    assert (event.data["metadata"]["name"], event.data["data"]) == ("yes", {"a": "b"})


async def test_a_resource_that_is_not_served_is_not_silently_watched(eventing: Eventing) -> None:
    resources = [{"apiVersion": "apps/v1", "kind": "Deployment"}]
    spec = {"resources": resources, "sink": {"uri": "http://x.example/"}}
    eventing.create("sources.knative.dev/v1", "ApiServerSource", "a", spec)
    await eventing.until("ApiServerSource", "a", "False")


async def test_a_container_source_is_a_pod_that_knows_its_sink(eventing: Eventing) -> None:
    eventing.broker()
    container = {"name": "c", "image": "x", "env": [{"name": "A", "value": "b"}]}
    spec = {"template": {"spec": {"containers": [container]}}, "sink": BROKER}
    eventing.create("sources.knative.dev/v1", "ContainerSource", "s", spec)
    await eventually(lambda: eventing.store.list("Pod", NS))
    (pod,) = eventing.store.list("Pod", NS)
    env = {entry["name"]: entry["value"] for entry in pod["spec"]["containers"][0]["env"]}
    assert env["A"] == "b"
    assert env["K_SINK"] == f"http://{INGRESS}/{NS}/default"
    assert json.loads(env["K_CE_OVERRIDES"]) == {}
    await eventing.until("ContainerSource", "s", "False", "ReceiveAdapterReady")

    source = eventing.store.get("ContainerSource", NS, "s")
    source["spec"]["template"]["spec"]["containers"][0]["args"] = ["new"]
    eventing.store.update(source)

    def replaced() -> bool:
        pods = eventing.store.list("Pod", NS)
        return len(pods) == 1 and pods[0]["metadata"]["name"] != pod["metadata"]["name"]

    await eventually(replaced)
    (new,) = eventing.store.list("Pod", NS)
    ready = {"conditions": [{"type": "Ready", "status": "True"}]}
    eventing.store.update_status("Pod", NS, new["metadata"]["name"], ready)
    await eventing.until("ContainerSource", "s", "True")
    eventing.store.delete("ContainerSource", NS, "s")
    assert eventing.store.list("Pod", NS) == []


async def test_a_sink_binding_tells_a_service_its_sink(eventing: Eventing) -> None:
    eventing.broker()
    subject = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "one"}
    spec = {"subject": subject, "sink": BROKER}
    eventing.create("sources.knative.dev/v1", "SinkBinding", "b", spec)
    await eventing.until("SinkBinding", "b", "False", "SubjectBound")
    eventing.service("one")
    await eventing.until("SinkBinding", "b", "True")
    service = eventing.store.get("Service", NS, "one")
    env = service["spec"]["template"]["spec"]["containers"][0]["env"]
    assert env == [{"name": "K_SINK", "value": f"http://{INGRESS}/{NS}/default"}]
