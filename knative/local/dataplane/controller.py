"""Keeps Envoy's configuration equal to the Routes in the store and the replicas that are ready.

The rule: one push at a time, always of the newest state. `flush` returns when Envoy runs with a
state at least as new as the call, so a replica that `drain` let go gets no new request.
"""

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime

from knative.local import carried
from knative.local.dataplane import clusters, routing
from knative.local.dataplane.clusters import Endpoint, Key, Target
from knative.local.dataplane.envoy import Envoy
from knative.local.dataplane.routing import Resources
from knative.local.dataplane.stats import Reading
from knative.local.pods import PodRunner, Replica
from knative.local.store import Object, Store

QUIET_TIMES = 2
# Envoy holds a question open for the replicas of each Revision that it knows: so it knows those that
# run, and the last that did.
SLEEPERS_KEPT = 32
FIXED = {
    "broker-ingress.knative-eventing.svc.cluster.local": clusters.BROKER,
    "request-metrics.knative-serving.svc.cluster.local": clusters.PLATFORM,
}


class DataPlane:
    """Routes and replicas in, Envoy's configuration out."""

    def __init__(self, store: Store, runner: PodRunner, envoy: Envoy, domain: str) -> None:
        self._store, self._runner, self._envoy, self._domain = store, runner, envoy, domain
        # A restart goes on with the routes there were, before anything is reconciled.
        self._routes = _by_key(store.list("Route"))
        self._revisions = _by_key(store.list("Revision"))
        # A cluster lives longer than its replicas, so that its counters do not start again.
        self._known: dict[Key, Target] = {}
        self._awake: dict[Key, None] = {}  # have or had replicas, the last to have some at the end
        self._taken: dict[Key, frozenset[int]] = {}  # ports that Envoy sends new requests to
        self._routings: dict[Key, object] = {}  # of the Routes, that Envoy has taken
        self.pushed: Callable[[], None] = lambda: None  # each time Envoy has taken a configuration
        self._asked = asyncio.Event()
        self._waiting: list[asyncio.Future[None]] = []  # for the next push to be done
        runner.on_change(lambda _: self._asked.set())
        runner.drain = self.drain

    def taken(self, revision: Key) -> frozenset[int]:
        """Return the ports of a Revision that Envoy itself knows and may use."""
        return self._taken.get(revision, frozenset())

    async def flush(self) -> None:
        """Wait until Envoy runs with the state of now."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        self._asked.set()
        await done

    async def readings(self) -> dict[Key, Reading]:
        """Read Envoy's counters of all Revisions."""
        return await self._envoy.readings()

    async def drain(self, replica: Replica) -> None:
        """Take a replica out of the traffic and wait for its last request, for as long as it may."""
        await self.flush()
        limit = replica.pod["spec"].get("terminationGracePeriodSeconds", 30)
        end = time.monotonic() + limit
        quiet = 0  # twice: a request that was let go just before may not have arrived yet
        while time.monotonic() < end and quiet < QUIET_TIMES:
            quiet = 0 if await self._envoy.active(replica.port) else quiet + 1
            await asyncio.sleep(0.05)

    async def run(self) -> None:
        """Follow the store and the replicas until cancelled."""
        self._asked.set()  # for Envoy's word on what it started with
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._push())

    async def _watch(self) -> None:
        tables = {"Route": self._routes, "Revision": self._revisions}
        async for event in self._store.watch(*tables):
            meta = event.object["metadata"]
            table, key = tables[event.object["kind"]], (meta["namespace"], meta["name"])
            before = _matters(table.get(key))
            if event.type == "DELETED":
                table.pop(key, None)
            else:
                table[key] = event.object
            if before != _matters(table.get(key)) or not self._let_go(event.object):
                self._asked.set()

    async def _push(self) -> None:
        while True:
            await self._asked.wait()
            self._asked.clear()
            waiting, self._waiting = self._waiting, []
            resources = self.resources()
            ports = {key: _open_ports(target) for key, target in self._known.items()}
            routings = {key: carried.routing(route) for key, route in self._routes.items()}
            if await self._envoy.push(resources):
                self._routings = routings
                for route in [*self._routes.values()]:
                    self._let_go(route)
            self._taken = ports
            self.pushed()
            for future in waiting:
                if not future.done():  # its Pod was given up meanwhile
                    future.set_result(None)

    def _let_go(self, obj: Object) -> bool:
        """Tell a Route that waits for it that Envoy has its routing; False when it still waits.

        Envoy may have had it before the Route asked: a thousand of them must not be a push each.
        """
        if not carried.waits(obj):
            return True
        key = obj["metadata"]["namespace"], obj["metadata"]["name"]
        taken = carried.routing(obj)
        if self._routings.get(key) != taken:
            return False
        carried.let_go(self._store, key, taken, datetime.now(UTC))
        return True

    def resources(self) -> Resources:
        """Make the configuration of the state of now."""
        for route in self._routes.values():
            for key in routing.routed(route):
                if key in self._revisions:
                    self._known.setdefault(key, Target(key))
        for key in [*self._known]:
            self._refresh(key)
        self._remember_the_awake()
        targets = {k: replace(t, direct=k in self._awake) for k, t in self._known.items()}
        return routing.build(self._routes.values(), targets, self._domain, FIXED)

    def _remember_the_awake(self) -> None:
        awake = {key for key, target in self._known.items() if target.endpoints}
        asleep = [key for key in self._awake if key in self._known and key not in awake]
        self._awake = dict.fromkeys([*asleep[-SLEEPERS_KEPT:], *awake])

    def _refresh(self, key: Key) -> None:
        replicas = self._runner.replicas(key)
        endpoints = tuple(
            Endpoint(r.port, draining=r.stopping) for r in replicas if r.ready or r.stopping
        )
        revision = self._revisions.get(key)
        if revision:
            self._known[key] = _target(key, revision, endpoints)
        elif replicas:  # deleted, its last requests still run
            self._known[key] = replace(self._known[key], endpoints=endpoints)
        else:
            del self._known[key]


def _by_key(objects: Iterable[Object]) -> dict[Key, Object]:
    return {(o["metadata"]["namespace"], o["metadata"]["name"]): o for o in objects}


def _open_ports(target: Target) -> frozenset[int]:
    return frozenset(e.port for e in target.endpoints if not e.draining)


def _target(key: Key, revision: Object, endpoints: tuple[Endpoint, ...]) -> Target:
    spec = revision["spec"]
    ports = spec["containers"][0].get("ports") or [{}]
    return Target(
        key,
        endpoints,
        concurrency=spec.get("containerConcurrency") or 0,
        timeout=spec.get("timeoutSeconds") or 300,
        response_start=spec.get("responseStartTimeoutSeconds") or 0,
        idle=spec.get("idleTimeoutSeconds") or 0,
        h2c=ports[0].get("name") == "h2c",
    )


def _matters(obj: Object | None) -> object:
    """Pick what a configuration is made of: most writes of a status change none of it."""
    if obj is None:
        return None
    return obj["spec"], carried.routing(obj)
