"""The Broker: an accepted event reaches every Trigger that matches it, or its dead letter sink.

Accepting is durable (see `eventing.durable`) and fans out at once; each delivery then lives its
own life: attempts with back-off, one reply that re-enters, or a dead letter. Delivery is at least
once, in parallel, at most `PER_TRIGGER` at a time for one Trigger, so a slow subscriber delays
nobody else. Which Brokers and Triggers exist is told by whoever watches them (`configure`).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

import httpx

from eventing import delivery
from eventing.cloudevent import CloudEvent, attributes_of, format_time, readable, to_http
from eventing.delivery import Delivered, Fault, Policy
from eventing.durable import Entry, Pending, Queue
from eventing.filters import Predicate

PER_TRIGGER = 16
MAX_PENDING = 10_000
TTL = "knativebrokerttl"
ARRIVAL = "knativearrivaltime"
_FIRST_TTL = 255
_LONGEST_ANSWER = 600.0  # seconds: no Revision may take longer
_TROUBLE = 5.0  # seconds
_DEAD_LETTER_GAP = 300.0  # seconds: a dead letter is tried for as long as its sink is away
_PASSED_HEADERS = ("x-request-id", "traceparent", "tracestate", "baggage")
_PASSED_PREFIXES = ("knative-", "x-b3-")
_log = logging.getLogger(__name__)
_R = TypeVar("_R")


class UnknownBroker(LookupError):
    """No Broker of that name."""


class HopsExhausted(ValueError):
    """The event has been through too many Brokers: a loop of replies."""


class Overloaded(RuntimeError):
    """Too many deliveries are owed already, or the Triggers are not known yet; try later."""


@dataclass(frozen=True, slots=True)
class Route:
    """One Trigger as the dispatcher needs it; `uid` dies with the Trigger.

    `subscriber` is None while it cannot be resolved: what is owed is then tried again later.
    """

    uid: str
    broker: tuple[str, str]
    matches: Predicate
    subscriber: str | None
    policy: Policy
    dead_letter_sink: str | None = None


class Broker:
    """All Brokers of one platform. `client` sends, through a proxy if need be; `aclose` at the end.

    Closing interrupts deliveries: they are still owed, and the next start resumes them.
    """

    def __init__(self, queue: Queue, client: httpx.AsyncClient) -> None:
        self._queue = queue
        self._client = client
        self._brokers: frozenset[tuple[str, str]] | None = None
        self._routes: dict[str, Route] = {}
        self._gates: dict[str, asyncio.Semaphore] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._disk = ThreadPoolExecutor(1, "broker-queue")

    async def aclose(self) -> None:
        """Stop delivering and close the queue."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._disk.shutdown()
        self._queue.close()

    async def configure(self, brokers: Iterable[tuple[str, str]], routes: Iterable[Route]) -> None:
        """Take over what exists now. The first call also resumes what an earlier life still owed."""
        first = self._brokers is None
        self._routes = {route.uid: route for route in routes}
        self._brokers = frozenset(brokers)
        self._gates = {
            uid: self._gates.get(uid, asyncio.Semaphore(PER_TRIGGER)) for uid in self._routes
        }
        if first:
            self._start(await self._on_disk(self._queue.pending))

    async def accept(
        self, broker: tuple[str, str], event: CloudEvent, headers: Mapping[str, str]
    ) -> None:
        """Take one event (data as bytes) in; when this returns it is on disk for every match."""
        if self._brokers is None or len(self._tasks) >= MAX_PENDING:
            raise Overloaded
        if broker not in self._brokers:
            raise UnknownBroker(f"no Broker {'/'.join(broker)}")
        entry = self._entry(broker, _arrived(event), passed_on(headers))
        self._start(await self._on_disk(lambda: self._queue.add([entry])))

    def _entry(
        self, broker: tuple[str, str], event: CloudEvent, passed: Mapping[str, str]
    ) -> Entry:
        attributes = attributes_of(event)
        matching = (
            route.uid
            for route in self._routes.values()
            if route.broker == broker and route.matches(attributes)
        )
        return Entry(event, tuple(matching), passed)

    def _start(self, owed: Iterable[Pending]) -> None:
        for pending in owed:
            task = asyncio.create_task(self._see_through(pending))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _see_through(self, pending: Pending) -> None:
        """Attempt one delivery until it has ended, one way or another."""
        current: Pending | None = pending
        while current is not None:
            try:
                current = await self._step(current)
            except Exception:  # noqa: BLE001 - it is still owed, so it is tried again
                _log.exception("a delivery met an error of our own (is the disk full?)")
                await asyncio.sleep(_TROUBLE)

    async def _step(self, pending: Pending) -> Pending | None:
        """Wait until the delivery is due and try once: as it goes on, or None when it has ended."""
        await asyncio.sleep(max(0.0, pending.due - time.time()))
        if pending.dead_letter_to is not None:
            return await self._attempt_dead_letter(pending, pending.dead_letter_to)
        async with self._gates.get(pending.route, contextlib.nullcontext()):
            return await self._attempt(pending)

    async def _attempt(self, pending: Pending) -> Pending | None:
        route = self._routes.get(pending.route)
        if route is None:
            await self._finish(pending)  # its Trigger is gone: nobody is owed anything
            return None
        event, passed = await self._on_disk(lambda: self._queue.load(pending))
        outcome = await self._send(route.subscriber, event, passed, route)
        settled = self._reply(route, event, outcome, passed)
        if not isinstance(settled, Fault):
            await self._finish(pending, settled)
            return None
        pause = delivery.wait(route.policy, pending.attempts + 1) if settled.again else None
        if pause is not None:
            return await self._postpone(pending, pause)
        await self._finish(pending, self._dead_letter(route, event, passed, settled))
        return None

    def _reply(
        self,
        route: Route,
        event: CloudEvent,
        outcome: Delivered | Fault,
        passed: Mapping[str, str],
    ) -> list[Entry] | Fault:
        """Make the entry of the reply, if there is one; a reply that loops is a fault."""
        if isinstance(outcome, Fault):
            return outcome
        if outcome.reply is None:
            return []
        hops = {TTL: event.extensions.get(TTL, str(_FIRST_TTL))}
        reply = replace(outcome.reply, extensions={**outcome.reply.extensions, **hops})
        try:
            return [self._entry(route.broker, _arrived(reply), passed)]
        except HopsExhausted as error:
            return Fault(again=False, code=delivery.HTTP_REFUSED, body=str(error).encode())

    def _dead_letter(
        self, route: Route, event: CloudEvent, passed: Mapping[str, str], fault: Fault
    ) -> list[Entry]:
        told = {"event": f"{event.source} {event.id}", "type": event.type, "code": fault.code}
        if route.dead_letter_sink is None:
            _log.error("undeliverable, and no dead letter sink: %s to %r", told, route.subscriber)
            return []
        _log.warning("undeliverable, to the dead letter sink: %s to %r", told, route.subscriber)
        extensions = delivery.dead_letter_attributes(fault, route.subscriber or "")
        letter = replace(event, extensions={**event.extensions, **extensions})
        return [Entry(letter, (route.uid,), passed, route.dead_letter_sink)]

    async def _attempt_dead_letter(self, pending: Pending, sink: str) -> Pending | None:
        event, passed = await self._on_disk(lambda: self._queue.load(pending))
        outcome = await self._send(sink, event, passed)
        if isinstance(outcome, Fault) and outcome.again:
            pause = min(0.2 * 2 ** min(pending.attempts, 12), _DEAD_LETTER_GAP)
            return await self._postpone(pending, pause)
        if isinstance(outcome, Fault):
            _log.error("the dead letter sink refused %s %s: %s", event.source, event.id, outcome)
        await self._finish(pending)
        return None

    async def _send(
        self,
        url: str | None,
        event: CloudEvent,
        passed: Mapping[str, str],
        route: Route | None = None,
    ) -> Delivered | Fault:
        if url is None:
            return delivery.unanswered("the subscriber cannot be resolved")
        rule = Policy() if route is None else route.policy
        kept = {name: value for name, value in event.extensions.items() if name != TTL}
        sent = replace(event, extensions=kept)
        headers, body = (
            to_http(readable(sent), structured=True) if rule.structured else to_http(sent)
        )
        headers |= {**passed, "prefer": "reply"}
        if route is not None:
            headers["kn-namespace"] = route.broker[0]
        try:
            async with asyncio.timeout(rule.timeout or _LONGEST_ANSWER):
                answer = await self._client.post(url, content=body, headers=headers)
        except (TimeoutError, httpx.TimeoutException):
            return delivery.TIMED_OUT
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # or an odd address
            return delivery.unanswered(str(error))
        return delivery.judge(answer.status_code, answer.headers, answer.content)

    async def _postpone(self, pending: Pending, pause: float) -> Pending:
        later = replace(pending, attempts=pending.attempts + 1, due=time.time() + pause)
        await self._on_disk(lambda: self._queue.postpone(later))
        return later

    async def _finish(self, pending: Pending, follow: Iterable[Entry] = ()) -> None:
        self._start(await self._on_disk(lambda: self._queue.finish(pending, follow)))

    async def _on_disk(self, call: Callable[[], _R]) -> _R:
        return await asyncio.get_running_loop().run_in_executor(self._disk, call)


def passed_on(headers: Mapping[str, str]) -> dict[str, str]:
    """Select the HTTP headers that travel with an event; credentials never do."""
    return {
        name: value
        for name, value in ((name.lower(), value) for name, value in headers.items())
        if (name in _PASSED_HEADERS or name.startswith(_PASSED_PREFIXES)) and value.isascii()
    }


def _arrived(event: CloudEvent) -> CloudEvent:
    """Note the arrival and one hop less to live."""
    text = event.extensions.get(TTL, "")
    hops = int(text) - 1 if text.isdecimal() else _FIRST_TTL
    if hops <= 0:
        raise HopsExhausted(f"{TTL} is used up")
    marks = {TTL: str(hops), ARRIVAL: format_time(datetime.now(UTC))}
    return replace(event, extensions={**event.extensions, **marks})
