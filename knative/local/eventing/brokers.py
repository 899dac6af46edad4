"""Brokers and Triggers: objects in the store become routes of the running Broker."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eventing.broker import Broker, Route
from eventing.delivery import BadDelivery, Policy, policy
from eventing.filters import BadFilter, Predicate, compile_trigger
from knative.local.eventing.control import Problem, find_sink, follow, report
from knative.local.eventing.sinks import broker_url
from knative.local.store import Object, Store

KINDS = ("Broker", "Trigger", "Service")


@dataclass(frozen=True, slots=True)
class _Judged:
    """A Trigger looked at: its route when it can have one, and what to report of it."""

    route: Route | None
    fields: dict[str, str | None]
    conditions: dict[str, Problem]


async def control(store: Store, broker: Broker) -> None:
    """Keep the running Broker as the store says, and every status truthful."""

    async def step() -> None:
        brokers = {_key(obj): obj for obj in store.list("Broker")}
        triggers = store.list("Trigger")
        judged = [_judge(store, trigger, brokers) for trigger in triggers]
        await broker.configure(brokers, _routes(judged))
        for obj in brokers.values():
            _report_broker(store, obj)
        for trigger, judgement in zip(triggers, judged, strict=True):
            report(store, trigger, judgement.fields, judgement.conditions)

    await follow(store, KINDS, step)


def _key(obj: Object) -> tuple[str, str]:
    return obj["metadata"]["namespace"], obj["metadata"]["name"]


def _routes(judged: Iterable[_Judged]) -> list[Route]:
    return [judgement.route for judgement in judged if judgement.route is not None]


def _report_broker(store: Store, obj: Object) -> None:
    url = broker_url(*_key(obj))
    sink, problem = _dead_letter_sink(store, obj)
    fields = {"address": {"name": "http", "url": url}, "deadLetterSinkUri": sink}
    report(store, obj, fields, {"Addressable": None, "DeadLetterSinkResolved": problem})


def _dead_letter_sink(store: Store, obj: Object) -> tuple[str | None, Problem]:
    destination = (obj["spec"].get("delivery") or {}).get("deadLetterSink")
    return find_sink(store, obj, destination) if destination else (None, None)


def _judge(store: Store, trigger: Object, brokers: dict[tuple[str, str], Object]) -> _Judged:
    spec, namespace = trigger["spec"], trigger["metadata"]["namespace"]
    broker = brokers.get((namespace, spec.get("broker", "default")))
    subscriber, unresolved = find_sink(store, trigger, spec.get("subscriber"))
    sink, no_sink = _dead_letter_sink(store, trigger)
    if sink is None and no_sink is None and broker is not None:
        sink, no_sink = _dead_letter_sink(store, broker)
    route, bad = _route(trigger, broker, subscriber, sink)
    missing = ("BrokerDoesNotExist", f'Broker "{spec.get("broker")}" does not exist')
    conditions: dict[str, Problem] = {
        "BrokerReady": None if broker else missing,
        "SubscriberResolved": unresolved,
        "SubscriptionReady": bad,
        "DeadLetterSinkResolved": no_sink,
        "DependencyReady": None,
    }
    return _Judged(route, {"subscriberUri": subscriber, "deadLetterSinkUri": sink}, conditions)


def _route(
    trigger: Object, broker: Object | None, subscriber: str | None, sink: str | None
) -> tuple[Route | None, Problem]:
    spec = trigger["spec"]
    if broker is None:
        return None, None
    problem: Problem = None
    matches: Predicate = _nothing
    rule = Policy()  # of a Trigger that got worse: what it is owed stays owed
    try:
        matches = compile_trigger(spec)
        rule = policy(broker["spec"].get("delivery"), spec.get("delivery"))
    except BadFilter as error:
        problem = ("InvalidFilter", str(error))
    except BadDelivery as error:
        problem = ("InvalidDelivery", str(error))
    uid = trigger["metadata"]["uid"]
    return Route(uid, _key(broker), matches, subscriber, rule, sink), problem


def _nothing(_attributes: Mapping[str, str]) -> bool:
    return False
