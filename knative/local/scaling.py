"""Applies the autoscaler's decision: as many Pods as it says, and what became of them as conditions.

The rule: nothing runs while nothing is asked for. Load is sampled every second and decided on every
two while some Revision has replicas; a request at a sleeping one wakes it at once.
"""

import asyncio
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from knative.local import autoscaler_config, revision_pods
from knative.local.autoscaler_config import Scaling
from knative.local.dataplane import routing, stats
from knative.local.dataplane.activator import Activator
from knative.local.dataplane.clusters import Key
from knative.local.dataplane.controller import DataPlane
from knative.local.dataplane.stats import Reading
from knative.local.errors import NotFound
from knative.local.pods import REVISION, PodRunner
from knative.local.store import Object, Store, WatchEvent
from knative.serving import autoscale
from knative.serving.autoscale import Memory, Sample

SAMPLE_EVERY = 1.0
DECIDE_EVERY = 2


@dataclass(slots=True)
class _Scaled:
    """One Revision under the autoscaler."""

    revision: Object
    settings: Scaling
    memory: Memory
    began: float  # when the start of now began
    samples: deque[Sample] = field(default_factory=lambda: deque(maxlen=3600))
    failed: bool = False


class Scaler:
    """The autoscaler's and the Revision controller's shell."""

    def __init__(self, store: Store, runner: PodRunner, plane: DataPlane) -> None:
        self._store, self._runner, self._plane = store, runner, plane
        self.activator = Activator(self._open_ports, self.wake)
        self._scaled: dict[Key, _Scaled] = {}
        self._routes: dict[Key, frozenset[Key]] = {}
        self._config: dict[str, str] = {}
        self._before: dict[Key, Reading] = {}
        self._dirty: asyncio.Queue[Key] = asyncio.Queue()
        self._active = asyncio.Event()
        runner.on_change(self._replicas_changed)
        plane.pushed = self._release_all

    def _open_ports(self, key: Key) -> list[int]:
        """Return where a request may go on to; under a hard limit Envoy picks, so it must know."""
        ports = self._ready_ports(key)
        scaled = self._scaled.get(key)
        if scaled and scaled.revision["spec"].get("containerConcurrency"):
            return [port for port in ports if port in self._plane.taken(key)]
        return ports

    def _release_all(self) -> None:
        for key in self.activator.held():
            self.activator.release(key)

    def _ready_ports(self, key: Key) -> list[int]:
        return [r.port for r in self._runner.replicas(key) if r.ready and not r.stopping]

    def _replicas_changed(self, key: Key) -> None:
        self.activator.release(key)
        self._dirty.put_nowait(key)

    def wake(self, key: Key) -> None:
        """Give a Revision at which a request waits a replica, if none is coming."""
        scaled = self._scaled.get(key)
        if scaled is None:
            self.activator.refuse(key, f'revision "{key[1]}" not found')
            return
        before = scaled.memory
        scaled.memory = autoscale.wake(scaled.settings.policy, before, time.monotonic())
        if scaled.memory != before:
            scaled.began, scaled.failed = time.monotonic(), False
            scaled.samples.clear()
            self._dirty.put_nowait(key)
        self._active.set()

    async def run(self) -> None:
        """Scale until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._watch())
            group.create_task(self._reconcile())
            group.create_task(self._tick())

    async def _watch(self) -> None:
        observers = {
            "ConfigMap": self._observe_config,
            "Route": self._observe_route,
            "Revision": self._observe_revision,
            "Pod": self._observe_pod,
        }
        async for event in self._store.watch(*observers):
            meta = event.object["metadata"]
            observers[event.object["kind"]](event, (meta["namespace"], meta["name"]))

    def _observe_config(self, event: WatchEvent, key: Key) -> None:
        if key == ("knative-serving", "config-autoscaler"):
            self._config = {} if event.type == "DELETED" else event.object.get("data") or {}
            for scaled in self._scaled.values():
                scaled.settings = autoscaler_config.scaling(scaled.revision, self._config)
            self._active.set()

    def _observe_route(self, event: WatchEvent, key: Key) -> None:
        targets = () if event.type == "DELETED" else routing.routed(event.object)
        self._routes[key] = frozenset(targets)
        self._active.set()  # what is reachable again may have a scale to hold

    def _observe_pod(self, event: WatchEvent, key: Key) -> None:
        name = (event.object["metadata"].get("labels") or {}).get(REVISION)
        if name and event.type == "DELETED":  # perhaps by a person: it is replaced
            self._dirty.put_nowait((key[0], name))

    def _observe_revision(self, event: WatchEvent, key: Key) -> None:
        if event.type == "DELETED":
            self._scaled.pop(key, None)
            self.activator.refuse(key, f'revision "{key[1]}" was deleted')
            return
        if key in self._scaled:
            self._scaled[key].revision = event.object
            self._scaled[key].settings = autoscaler_config.scaling(event.object, self._config)
        else:
            self._scaled[key] = self._adopt(event.object)
        self._active.set()
        self._dirty.put_nowait(key)

    def _adopt(self, revision: Object) -> _Scaled:
        now = time.monotonic()
        settings = autoscaler_config.scaling(revision, self._config)
        scaled = _Scaled(revision, settings, Memory(), now)
        pods = len(self._pods(revision))
        if (revision.get("status") or {}).get("actualReplicas") is not None:
            # Known from before a restart: it goes on with what it had.
            desired = pods or settings.policy.min_scale
            active = now if desired else None
            scaled.memory = Memory(desired=desired, initialized=True, active_since=active)
        else:
            scaled.memory = autoscale.start(settings.policy, now)
        return scaled

    def _pods(self, revision: Object) -> list[Object]:
        meta = revision["metadata"]
        return self._store.list("Pod", meta["namespace"], {REVISION: meta["name"]})

    async def _tick(self) -> None:
        count, last = 0, time.monotonic()
        while True:
            if not any(self._at_work(key, s) for key, s in self._scaled.items()):
                self._active.clear()
                await self._active.wait()
                last = time.monotonic()
            await asyncio.sleep(SAMPLE_EVERY)
            now = time.monotonic()
            await self._sample(now, now - last)
            last, count = now, count + 1
            if count % DECIDE_EVERY == 0:
                self._decide(now)

    def _at_work(self, key: Key, scaled: _Scaled) -> bool:
        held = bool(scaled.memory.desired or self._runner.replicas(key))
        return held or bool(scaled.settings.policy.min_scale and self._reachable(key))

    async def _sample(self, now: float, elapsed: float) -> None:
        readings = await self._plane.readings()
        for key, scaled in self._scaled.items():
            if self._at_work(key, scaled):
                before, after = (r.get(key, Reading()) for r in (self._before, readings))
                measure = stats.rate if scaled.settings.by_rate else stats.concurrency
                scaled.samples.append(Sample(now, measure(before, after, elapsed)))
        self._before = readings

    def _decide(self, now: float) -> None:
        for key, scaled in self._scaled.items():
            if scaled.failed or not self._at_work(key, scaled):
                continue
            scaled.memory = autoscale.decide(
                scaled.settings.policy,
                scaled.memory,
                scaled.samples,
                len(self._ready_ports(key)),
                now,
                reachable=self._reachable(key),
            )
            if self.activator.waiting(key):  # it came after the last sample
                self.wake(key)
            if not scaled.memory.initialized and self._overtaken(key, scaled.revision):
                scaled.memory, scaled.failed = Memory(initialized=True), True
            self._dirty.put_nowait(key)

    def _overtaken(self, key: Key, revision: Object) -> bool:
        """Say whether nobody waits for this start any more: a newer Revision is ready."""
        newer = (s.revision for s in self._scaled.values())
        return not self._reachable(key) and any(revision_pods.overtakes(n, revision) for n in newer)

    def _reachable(self, key: Key) -> bool:
        return any(key in targets for targets in self._routes.values())

    async def _reconcile(self) -> None:
        while True:
            keys = {await self._dirty.get()}
            while not self._dirty.empty():
                keys.add(self._dirty.get_nowait())
            for key in keys & self._scaled.keys():
                with suppress(NotFound):  # deleted meanwhile
                    self._apply(key, self._scaled[key])

    def _apply(self, key: Key, scaled: _Scaled) -> None:
        revision = self._store.get("Revision", *key)
        if revision["metadata"]["uid"] != scaled.revision["metadata"]["uid"]:
            return  # another of its name, of which nobody has told yet: no Pod would go with this one
        ready = len(self._ready_ports(key))
        if ready or not scaled.memory.desired:
            scaled.began = time.monotonic()
        problem = self._problem(key, scaled)
        desired = scaled.memory.desired
        pods = self._pods(scaled.revision)
        for _ in range(desired - len(pods)):
            self._store.create(revision_pods.pod_for(scaled.revision))
        for pod in revision_pods.surplus(pods, self._runner.replicas(key), desired):
            self._store.delete("Pod", key[0], pod["metadata"]["name"])
        status = revision_pods.revision_status(revision, ready, desired, problem, datetime.now(UTC))
        self._store.update_status("Revision", *key, status)

    def _problem(self, key: Key, scaled: _Scaled) -> tuple[str, str]:
        if self._ready_ports(key) or not scaled.memory.desired:
            return ("", "")
        replicas = self._runner.replicas(key)
        if message := revision_pods.failure(replicas):
            self.activator.refuse(key, message)
            return (revision_pods.exit_reason(replicas), message)
        deadline = autoscaler_config.progress_deadline(scaled.revision)
        if time.monotonic() - scaled.began < deadline:
            return ("", "")
        message = f"the process was not ready within {deadline:g} s"
        self.activator.refuse(key, message)
        scaled.memory, scaled.failed = Memory(initialized=True), True
        return ("ProgressDeadlineExceeded", message)
