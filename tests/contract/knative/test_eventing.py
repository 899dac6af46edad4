"""The Broker as senders and subscribers meet it: statuses, filters, replies, retries, dead letters."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.support.knative_target import API, Target

Object = dict[str, Any]

INGRESS = "http://broker-ingress.knative-eventing.svc.cluster.local"
EVENTING = "eventing.knative.dev/v1"
# They remember what they got, so there is always exactly one of each.
ALWAYS_ONE = {"min-scale": "1", "max-scale": "1"}
FUNCTIONS: dict[str, Object] = {
    "relay": {},
    "taker": {},
    "letters": {},
    "replier": {"REPLY_TYPE": "reply.v1"},
    "refuser": {"STATUS": "503"},
    "final": {"STATUS": "400"},
}
CHOSEN = {
    "all": [
        {"prefix": {"type": "chosen."}},
        {"not": {"suffix": {"type": ".no"}}},
        {"any": [{"exact": {"source": "a"}}, {"exact": {"source": "b"}}]},
    ]
}
TRIGGERS: dict[str, Object] = {
    "plain": {"filter": {"attributes": {"type": "plain.v1", "source": "here"}}},
    "replies": {"filter": {"attributes": {"type": "reply.v1"}}},
    "chosen": {"filters": [CHOSEN]},
    "wins": {
        "filter": {"attributes": {"type": "never.v1"}},
        "filters": [{"exact": {"type": "wins.v1"}}],
    },
    "replier": {"filters": [{"exact": {"type": "ask.v1"}}]},
    "refuser": {"filters": [{"exact": {"type": "refused.v1"}}]},
    "final": {"filters": [{"exact": {"type": "final.v1"}}]},
}


def ref(name: str) -> Object:
    return {"ref": {"apiVersion": API, "kind": "Service", "name": name}}


def trigger(name: str, spec: Object) -> Object:
    subscriber = ref(name if name in FUNCTIONS else "taker")
    spec = {"broker": "default", "subscriber": subscriber, **spec}
    return {"apiVersion": EVENTING, "kind": "Trigger", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def events(knative: Target) -> Iterator[Target]:
    """A Broker with subscribers, all of them ready."""
    delivery = {
        "retry": 2,
        "backoffPolicy": "exponential",
        "backoffDelay": "PT0.2S",
        "deadLetterSink": ref("letters"),
    }
    broker = {"apiVersion": EVENTING, "kind": "Broker", "metadata": {"name": "default"}}
    knative.apply(
        *(
            knative.service(name, template=knative.template(notes=ALWAYS_ONE, **env))
            for name, env in FUNCTIONS.items()
        ),
        {**broker, "spec": {"delivery": delivery}},
        *(trigger(name, spec) for name, spec in TRIGGERS.items()),
    )
    for what in (*(f"ksvc/{n}" for n in FUNCTIONS), "broker/default"):
        knative.wait(what)
    for name in TRIGGERS:
        knative.wait(f"trigger/{name}")
    yield knative
    for name in TRIGGERS:  # several at once can leave a channel's subscribers behind
        knative.run("delete", "trigger", name)
    knative.run("delete", "broker", "default")
    knative.run("delete", "ksvc", *FUNCTIONS, "--wait=false")


def post(target: Target, headers: Object, body: str = "", path: str = "", method: str = "") -> int:
    """Send to the ingress from inside the cluster; return the status."""
    to = INGRESS + (path or f"/{target.namespace}/default")
    answer = target.http.post(
        f"{target.gateway}/relay",
        headers={
            "host": target.host("relay"),
            "x-relay-to": to,
            "x-relay-method": method or "POST",
            **headers,
        },
        content=body,
    )
    return int(answer.json()["status"])


def event(type_: str, source: str = "here", **more: str) -> Object:
    required = {"ce-specversion": "1.0", "ce-type": type_, "ce-source": source}
    return {**required, "ce-id": str(uuid.uuid4()), **more}


def received(target: Target, name: str) -> list[Object]:
    found: list[Object] = target.ask(name, path="/received").json()
    return found


def arrived(target: Target, name: str, headers: Object) -> list[Object]:
    """Return the copies of an event that a function got."""
    return [e for e in received(target, name) if e["headers"].get("ce-id") == headers["ce-id"]]


GOOD = {"ce-specversion": "1.0", "ce-type": "t.v1", "ce-source": "s", "ce-id": "1"}
STRUCTURED = {"content-type": "application/cloudevents+json"}
STRUCTURED_EVENT = json.dumps({"specversion": "1.0", "type": "t.v1", "source": "s", "id": "1"})
STATUSES: dict[str, tuple[Object, str, str, str, int]] = {
    "an event that no Trigger wants is accepted": (GOOD, "", "", "", 202),
    "specversion 0.3 is accepted": (GOOD | {"ce-specversion": "0.3"}, "", "", "", 202),
    "structured mode is accepted": (STRUCTURED, STRUCTURED_EVENT, "", "", 202),
    "no id is malformed": ({k: v for k, v in GOOD.items() if k != "ce-id"}, "", "", "", 400),
    "specversion 2.0 is malformed": (GOOD | {"ce-specversion": "2.0"}, "", "", "", 400),
    "a time that is none is malformed": (GOOD | {"ce-time": "noon"}, "", "", "", 400),
    "plain JSON is no event": ({"content-type": "application/json"}, "{}", "", "", 400),
    "a batch is refused": (
        {"content-type": "application/cloudevents-batch+json"}, "[]", "", "", 400,
    ),
    "one path segment is no Broker": (GOOD, "", "/one", "", 400),
    "three path segments are no Broker": (GOOD, "", "/one/two/three", "", 400),
    "an unknown Broker is not found": (GOOD, "", "/nowhere/default", "", 404),
    "GET is not allowed": ({}, "", "", "GET", 405),
    "OPTIONS is answered": ({}, "", "", "OPTIONS", 200),
}  # fmt: skip


@pytest.mark.parametrize("rule", STATUSES)
def test_the_ingress_answers(events: Target, rule: str) -> None:
    headers, body, path, method, status = STATUSES[rule]
    assert post(events, headers, body, path, method) == status


def test_a_broker_and_its_triggers_have_addresses(events: Target) -> None:
    broker = events.get("broker", "default")["status"]
    assert broker["address"]["url"] == f"{INGRESS}/{events.namespace}/default"
    uri = events.get("trigger", "plain")["status"]["subscriberUri"]
    assert uri.rstrip("/") == f"http://taker.{events.namespace}.svc.cluster.local"


def test_a_trigger_gets_what_all_its_attributes_match_as_a_binary_event(events: Target) -> None:
    wanted = event("plain.v1", **{"content-type": "application/json", "ce-extra": "x"})
    others = [event("plain.v1", "elsewhere"), event("other.v1")]
    for each in (*others, wanted):
        assert post(events, each, '{"a": 1}') == 202
    events.eventually(lambda: arrived(events, "taker", wanted))
    (got,) = arrived(events, "taker", wanted)
    assert got["body"] == '{"a": 1}'
    assert got["headers"]["ce-extra"] == "x"
    assert got["headers"]["prefer"] == "reply"
    assert "ce-knativearrivaltime" in got["headers"]
    assert not any(arrived(events, "taker", other) for other in others)


def test_the_newer_filters_nest_all_any_not_prefix_suffix_and_exact(events: Target) -> None:
    taken = [event("chosen.one", "a"), event("chosen.two", "b")]
    left = [event("chosen.no", "a"), event("chosen.one", "c"), event("other.one", "a")]
    for each in (*left, *taken):
        assert post(events, each) == 202
    events.eventually(lambda: all(arrived(events, "taker", each) for each in taken))
    assert not any(arrived(events, "taker", each) for each in left)


def test_filters_override_filter(events: Target) -> None:
    loses, wins = event("never.v1"), event("wins.v1")
    for each in (loses, wins):
        post(events, each)
    events.eventually(lambda: arrived(events, "taker", wins))
    assert not arrived(events, "taker", loses)


def test_a_reply_enters_the_broker_with_its_own_id_source_and_type(events: Target) -> None:
    asked = event("ask.v1")
    post(events, asked)
    events.eventually(lambda: arrived(events, "taker", {"ce-id": "reply"}))
    (reply,) = arrived(events, "taker", {"ce-id": "reply"})
    assert reply["headers"]["ce-source"] == "replier"
    assert reply["headers"]["ce-type"] == "reply.v1"
    assert not arrived(events, "taker", asked)


@pytest.mark.parametrize(("name", "code", "attempts"), [("refuser", "503", 3), ("final", "400", 1)])
def test_passing_faults_are_retried_final_ones_are_not_and_both_end_as_dead_letters(
    events: Target, name: str, code: str, attempts: int
) -> None:
    sent = event("refused.v1" if name == "refuser" else "final.v1")
    post(events, sent, "why")
    events.eventually(lambda: arrived(events, "letters", sent))
    (letter,) = arrived(events, "letters", sent)
    assert letter["body"] == "why"
    assert letter["headers"]["ce-knativeerrorcode"] == code
    destination = f"http://{name}.{events.namespace}.svc.cluster.local"
    assert letter["headers"]["ce-knativeerrordest"].rstrip("/") == destination
    assert len(arrived(events, name, sent)) == attempts


TRIGGER_REFUSALS: dict[str, tuple[Object, str]] = {
    "an attribute name is lower case": ({"filters": [{"exact": {"A": "b"}}]}, "attribute name"),
    "a filter has one dialect": (
        {"filters": [{"exact": {"type": "a"}, "prefix": {"type": "a"}}]}, "",
    ),
    "retryAfterMax is off": ({"delivery": {"retryAfterMax": "PT1S"}}, "retryAfterMax"),
}  # fmt: skip


@pytest.mark.parametrize("rule", TRIGGER_REFUSALS)
def test_a_trigger_is_refused(events: Target, rule: str) -> None:
    spec, words = TRIGGER_REFUSALS[rule]
    manifest = yaml.safe_dump(trigger("bad", spec))
    refusal = events.refused("apply", "-f", "-", stdin=manifest)
    assert "validation.webhook.eventing.knative.dev" in refusal
    assert words in refusal


def test_the_broker_of_a_trigger_is_immutable(events: Target) -> None:
    change = '{"spec":{"broker":"other"}}'
    refusal = events.refused("patch", "trigger", "plain", "--type=merge", "-p", change)
    assert "Immutable fields changed" in refusal
