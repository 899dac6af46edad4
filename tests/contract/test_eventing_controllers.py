"""Brokers, Triggers and sources as objects: what the controllers make of them, and say of them."""

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from eventing.cloudevent import CloudEvent, from_http, to_http
from knative.local.conditions import get_condition
from knative.local.errors import BadRequest, NotFound
from knative.local.eventing.pings import schedule
from knative.local.eventing.rules import check_broker, check_ping, check_trigger
from knative.local.eventing.run import run
from knative.local.instance import Platform
from knative.local.processes import free_port
from knative.local.serving.rules import Settings
from knative.local.store import Store
from tests.support.subscriber import Subscriber, eventually, serving

NS = "test"
BROKER = {"ref": {"apiVersion": "eventing.knative.dev/v1", "kind": "Broker", "name": "default"}}
INGRESS = "broker-ingress.knative-eventing.svc.cluster.local"


class Gateway:
    """Stands where Envoy stands: the ingress by its name, every other name is the subscriber."""

    def __init__(self, ingress_port: int) -> None:
        self.subscriber = Subscriber()
        self._ingress = f"http://127.0.0.1:{ingress_port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        if request.headers["host"] != INGRESS:
            await self.subscriber(scope, receive, send)
            return
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(
                self._ingress + request.url.path,
                headers=dict(request.headers),
                content=await request.body(),
            )
        await Response(answer.content, answer.status_code)(scope, receive, send)


@dataclass
class Eventing:
    store: Store
    gateway: Gateway
    ingress: str

    def create(self, api: str, kind: str, name: str, spec: dict[str, Any]) -> None:
        meta = {"name": name, "namespace": NS}
        self.store.create({"apiVersion": api, "kind": kind, "metadata": meta, "spec": spec})

    def service(self, name: str) -> None:
        spec = {"template": {"spec": {"containers": [{"image": "x"}]}}}
        self.create("serving.knative.dev/v1", "Service", name, spec)

    def broker(self, **spec: Any) -> None:
        self.create("eventing.knative.dev/v1", "Broker", "default", spec)

    def trigger(self, name: str, service: str, **spec: Any) -> None:
        ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": service}
        spec = {"broker": "default", "subscriber": {"ref": ref}} | spec
        self.create("eventing.knative.dev/v1", "Trigger", name, spec)

    def status(self, kind: str, name: str) -> dict[str, Any]:
        return dict(self.store.get(kind, NS, name).get("status") or {})

    def condition(self, kind: str, name: str, type_: str = "Ready") -> dict[str, Any]:
        return get_condition(self.status(kind, name), type_) or {}

    async def until(self, kind: str, name: str, value: str, type_: str = "Ready") -> None:
        await eventually(lambda: self.condition(kind, name, type_).get("status") == value)

    async def send(self, event: CloudEvent) -> int:
        headers, body = to_http(event)
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.post(self.ingress, headers=headers, content=body)
        return answer.status_code

    @property
    def events(self) -> list[CloudEvent]:
        received = self.gateway.subscriber.received
        return [from_http(one.headers, one.body) for one in received]


@pytest.fixture
async def eventing(tmp_path: Path) -> AsyncIterator[Eventing]:
    ingress = free_port()
    gateway = Gateway(ingress)
    store = Store(tmp_path / "store.db")
    async with serving(gateway) as url:
        port = int(url.rpartition(":")[2])
        platform = Platform(store, tmp_path, port, 1, ingress, 2, "token")
        task = asyncio.create_task(run(platform))
        try:
            yield Eventing(store, gateway, f"http://127.0.0.1:{ingress}/{NS}/default")
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
    store.close()


EVENT = CloudEvent("1", "test", "t.v1", data={"a": 1}, datacontenttype="application/json")


async def test_a_broker_has_an_address_and_a_trigger_a_subscriber(eventing: Eventing) -> None:
    eventing.service("one")
    eventing.broker()
    eventing.trigger("t", "one")
    await eventing.until("Trigger", "t", "True")
    await eventing.until("Broker", "default", "True")
    assert (
        eventing.status("Broker", "default")["address"]["url"] == f"http://{INGRESS}/{NS}/default"
    )
    uri = eventing.status("Trigger", "t")["subscriberUri"]
    assert uri == f"http://one.{NS}.svc.cluster.local"
    assert await eventing.send(EVENT) == 202
    await eventually(lambda: eventing.events)
    received = eventing.gateway.subscriber.received[0]
    assert received.headers["host"] == f"one.{NS}.svc.cluster.local"
    assert eventing.events[0].data == {"a": 1}


async def test_a_trigger_waits_for_its_subscriber_and_says_so(eventing: Eventing) -> None:
    eventing.broker()
    eventing.trigger("t", "late")
    await eventing.until("Trigger", "t", "False", "SubscriberResolved")
    assert "late" in eventing.condition("Trigger", "t")["message"]
    await eventing.send(EVENT)
    eventing.service("late")
    await eventing.until("Trigger", "t", "True")
    await eventually(lambda: eventing.events)
    eventing.store.delete("Service", NS, "late")
    await eventing.until("Trigger", "t", "False")


@pytest.mark.parametrize(
    "uri", ["", "nonsense", "/path", "ftp://x/", "http://", "http://[x/", "http://ü.example/"]
)
async def test_a_subscriber_that_is_no_address_is_named(eventing: Eventing, uri: str) -> None:
    eventing.broker()
    eventing.trigger("t", "", subscriber={"uri": uri})
    await eventing.until("Trigger", "t", "False", "SubscriberResolved")
    assert eventing.condition("Trigger", "t")["reason"] == "InvalidDestination"


async def test_a_trigger_without_its_broker_is_not_ready(eventing: Eventing) -> None:
    eventing.service("one")
    eventing.trigger("t", "one")
    await eventing.until("Trigger", "t", "False", "BrokerReady")
    assert eventing.condition("Trigger", "t")["reason"] == "BrokerDoesNotExist"
    eventing.broker()
    await eventing.until("Trigger", "t", "True")


async def test_a_bad_filter_costs_its_own_trigger_only(eventing: Eventing) -> None:
    eventing.service("one")
    eventing.broker()
    eventing.trigger("bad", "one", filters=[{"cesql": "TRUE"}])
    eventing.trigger("good", "one")
    await eventing.until("Trigger", "good", "True")
    await eventing.until("Trigger", "bad", "False")
    assert eventing.condition("Trigger", "bad")["reason"] == "InvalidFilter"


async def test_the_brokers_dead_letter_sink_may_have_a_path(eventing: Eventing) -> None:
    eventing.service("one")
    eventing.service("log")
    ref = {"apiVersion": "serving.knative.dev/v1", "kind": "Service", "name": "log"}
    eventing.broker(delivery={"retry": 0, "deadLetterSink": {"ref": ref, "uri": "/letters"}})
    eventing.trigger("t", "one")
    await eventing.until("Trigger", "t", "True")

    def answer(received: Any) -> Response:
        return Response(status_code=400 if "one" in received.headers["host"] else 202)

    eventing.gateway.subscriber.answer = answer
    await eventing.send(EVENT)
    await eventually(lambda: len(eventing.events) == 2)
    assert eventing.gateway.subscriber.received[1].path == "/letters"
    assert eventing.events[1].extensions["knativeerrorcode"] == "400"


async def test_a_deleted_broker_is_unknown_at_once(eventing: Eventing) -> None:
    eventing.broker()
    await eventing.until("Broker", "default", "True")
    eventing.store.delete("Broker", NS, "default")
    async with asyncio.timeout(5):
        while await eventing.send(EVENT) != 404:
            await asyncio.sleep(0.01)


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


async def test_a_deleted_trigger_gets_nothing_more(eventing: Eventing) -> None:
    eventing.service("one")
    eventing.broker()
    eventing.trigger("t", "one")
    await eventing.until("Trigger", "t", "True")
    eventing.gateway.subscriber.answer = lambda _: Response(status_code=503)
    await eventing.send(EVENT)
    await eventually(lambda: eventing.events)
    eventing.store.delete("Trigger", NS, "t")
    with pytest.raises(NotFound):
        eventing.status("Trigger", "t")
    eventing.trigger("t", "one")
    await eventing.until("Trigger", "t", "True")
    eventing.gateway.subscriber.answer = lambda _: Response(status_code=202)
    await eventing.send(CloudEvent("2", "test", "t.v1"))
    await eventually(lambda: [event.id for event in eventing.events].count("2") == 1)


TRIGGER = {"broker": "default", "subscriber": {"uri": "http://x.example/"}}
ADMISSIONS: list[tuple[Any, dict[str, Any], dict[str, Any] | None, str]] = [
    (check_trigger, TRIGGER | {"filters": [{"exact": {"A": "b"}}]}, None, "attribute name"),
    (check_trigger, TRIGGER | {"filters": [{"cesql": "nope ("}]}, None, "not supported"),
    (check_trigger, TRIGGER | {"delivery": {"retryAfterMax": "PT1S"}}, None, "retryAfterMax"),
    (check_trigger, {"broker": "default"}, None, "missing field(s): spec.subscriber"),
    (check_trigger, TRIGGER, TRIGGER | {"broker": "other"}, "Immutable fields changed"),
    (check_broker, {"delivery": {"backoffDelay": "5"}}, None, "ISO 8601"),
    (check_ping, {"schedule": "@every 5s"}, None, "cron expression"),
    (check_ping, {"schedule": "* * * * *", "data": "a", "dataBase64": "YQ=="}, None, "expected"),
]


@pytest.mark.parametrize(("check", "spec", "old", "says"), ADMISSIONS)
def test_what_the_webhook_refuses_never_gets_in(
    check: Any, spec: dict[str, Any], old: dict[str, Any] | None, says: str
) -> None:
    with pytest.raises(BadRequest, match=re.escape(says)) as refusal:
        check({"spec": spec}, None if old is None else {"spec": old}, Settings())
    assert refusal.value.message.startswith('admission webhook "validation.webhook.eventing')


def test_what_is_right_gets_in() -> None:
    check_trigger({"spec": TRIGGER}, {"spec": TRIGGER}, Settings())
    check_broker({}, None, Settings())
    check_ping({"spec": {"schedule": "*/15 * * * *"}}, None, Settings())
