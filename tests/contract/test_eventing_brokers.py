"""Brokers and Triggers as objects: what the controllers make of them, and say of them."""

import asyncio
from typing import Any

import pytest
from starlette.responses import Response

from eventing.cloudevent import CloudEvent
from knative.local.errors import NotFound
from tests.support.eventing import EVENT, INGRESS, NS, Eventing
from tests.support.subscriber import eventually


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
