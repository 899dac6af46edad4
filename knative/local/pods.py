"""Every Pod in the store has a process, and every process has a Pod in the store.

A Pod that is deleted first loses its traffic (`drain`), then gets SIGTERM, then SIGKILL. A process
that ends is started again, later each time. Being ready is asked of the process, never assumed.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime

from knative.local import pods_status
from knative.local.errors import NotFound
from knative.local.events import record_event
from knative.local.forks import Forks
from knative.local.pods_env import Surroundings, resolve
from knative.local.pods_logs import Logs
from knative.local.pods_probe import Probe, death
from knative.local.pods_volumes import ConfigError, pod_folder, refresh
from knative.local.processes import Process, Spawn, server_port
from knative.local.scrape import annotated
from knative.local.store import Object, Store

log = logging.getLogger(__name__)

Key = tuple[str, str]
REVISION = "serving.knative.dev/revision"
BACKOFF = (0.2, 1.0, 5.0, 15.0, 60.0)  # seconds; the last one repeats
RAN_WELL = 10.0  # seconds after which an end is an accident, not a habit
SHUTDOWN_GRACE = 3.0


@dataclass(slots=True)
class Replica:
    """A Pod's process as the data plane sees it."""

    pod: Object
    port: int = 0
    ready: bool = False
    stopping: bool = False
    ends: list[int] = field(default_factory=list)  # exit codes since it last ran well
    failed_starts: int = 0  # ends in a row of which none had been ready
    restarts: int = 0
    problem: str = ""  # the last reason for not running, for a person
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def revision(self) -> Key | None:
        """The Revision that the Pod belongs to."""
        meta = self.pod["metadata"]
        name = (meta.get("labels") or {}).get(REVISION)
        return (meta["namespace"], name) if name else None

    def ended(self, code: int) -> None:
        """Remember an end, or a start that was none."""
        self.ends.append(code)
        self.failed_starts += 1

    def pause(self, ran: float) -> float:
        """Return how long to wait before the next start, after one that ran for so many seconds."""
        if ran > RAN_WELL:
            del self.ends[:-1]  # this end is the first of its kind
        return BACKOFF[min(len(self.ends), len(BACKOFF)) - 1]


class PodRunner:
    """Runs the Pods of the store until cancelled."""

    def __init__(self, store: Store, around: Surroundings) -> None:
        self._store = store
        self._around = around
        self.logs = Logs(around.data / "logs")
        self._replicas: dict[str, Replica] = {}  # by uid
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._listeners: list[Callable[[Key], None]] = []
        self.drain: Callable[[Replica], Awaitable[None]] | None = None
        self.forks = Forks(around.data)

    def on_change(self, listener: Callable[[Key], None]) -> None:
        """Call `listener` with a Revision's key when a replica of it gets ready or stops being so."""
        self._listeners.append(listener)

    def replicas(self, revision: Key) -> list[Replica]:
        """List the processes of a Revision, stopping ones included."""
        return [r for r in self._replicas.values() if r.revision == revision]

    async def run(self) -> None:
        """Follow the store until cancelled, then end every process."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.logs.keep_small())
                group.create_task(self._keep_files_fresh())
                async for event in self._store.watch("Pod"):
                    self._observe(event.type, event.object)
        finally:
            for task in self._tasks.values():
                task.cancel()
            await asyncio.gather(*self._tasks.values(), return_exceptions=True)
            await self.forks.close()

    def _observe(self, change: str, pod: Object) -> None:
        uid = pod["metadata"]["uid"]
        if change == "DELETED":
            if replica := self._replicas.get(uid):
                replica.stopping = True
                replica.stop.set()
                self._tell(replica)
        elif uid in self._replicas:
            self._replicas[uid].pod = pod
        else:
            self._replicas[uid] = Replica(pod)
            self._tasks[uid] = asyncio.create_task(self._life(uid))

    def _tell(self, replica: Replica) -> None:
        if key := replica.revision:
            for listener in self._listeners:
                listener(key)

    async def _life(self, uid: str) -> None:
        replica = self._replicas[uid]
        try:
            while not replica.stopping:
                began = time.monotonic()
                await self._guarded(replica)
                if not replica.stopping:
                    await self._back_off(replica, ran=time.monotonic() - began)
        finally:
            del self._replicas[uid], self._tasks[uid]
            self._tell(replica)
            shutil.rmtree(pod_folder(self._around.data, replica.pod), ignore_errors=True)

    async def _guarded(self, replica: Replica) -> None:
        try:
            await self._once(replica)
        except Exception as error:  # one Pod's trouble must not be the end of its supervision
            log.exception("pod %s", replica.pod["metadata"]["name"])
            replica.problem = str(error)
            replica.ended(-1)

    async def _once(self, replica: Replica) -> None:
        try:
            process = await self._start(replica)
        except (ConfigError, OSError) as error:
            reason = "CreateContainerConfigError"
            replica.problem = str(error)
            replica.ended(-1)
            self._publish(replica, pods_status.waiting(reason, str(error)))
            return
        self._publish(replica, pods_status.running())
        probing = asyncio.create_task(self._probe(replica))
        try:
            code = await self._until_end(replica, process)
        finally:
            probing.cancel()
            self._not_ready(replica)
        self._ended(replica, code)

    async def _until_end(self, replica: Replica, process: Process) -> int:
        ended = asyncio.create_task(process.wait())
        asked = asyncio.create_task(replica.stop.wait())
        dead = asyncio.create_task(death(replica.pod["spec"]["containers"][0], replica.port))
        try:
            await asyncio.wait({ended, asked, dead}, return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                await self._wind_down(replica, process, dead.result() if dead.done() else "")
            return await ended
        except BaseException:  # the platform ends, or its care for this process does
            await asyncio.shield(process.stop(SHUTDOWN_GRACE))
            raise
        finally:
            for task in (asked, dead, ended):
                task.cancel()

    async def _start(self, replica: Replica) -> Process:
        meta = replica.pod["metadata"]
        replica.port = server_port()
        ports = {"PORT": replica.port, "METRICS_PORT": server_port()}
        self._note_metrics(replica, ports["METRICS_PORT"])
        command = resolve(replica.pod, self._store, self._around, ports)
        file = self.logs.file(meta["name"])
        file.parent.mkdir(parents=True, exist_ok=True)
        name = f"{meta['namespace']}_{meta['name']}"
        with file.open("ab") as out:
            spawn = Spawn(name, command.argv, command.env, command.cwd)
            return await self.forks.start(replica.pod, spawn, out)

    async def _wind_down(self, replica: Replica, process: Process, unhealthy: str) -> None:
        grace = replica.pod["spec"].get("terminationGracePeriodSeconds", 30)
        if unhealthy:
            self._not_ready(replica)
            words = f"{unhealthy}, the process will be restarted"
            now = datetime.now(UTC)
            record_event(self._store, replica.pod, "Unhealthy", words, "Warning", now)
        elif self.drain and replica.revision:
            await self.drain(replica)
        await process.stop(grace)

    async def _probe(self, replica: Replica) -> None:
        container = replica.pod["spec"]["containers"][0]
        # Knative's default, not Kubernetes'
        default: Object | None = {"tcpSocket": {}} if replica.revision else None
        spec = container.get("readinessProbe", default)
        if startup := container.get("startupProbe"):
            await Probe(startup, replica.port).passed()
        async for ready in Probe(spec, replica.port).results():
            if ready != replica.ready:
                replica.ready = ready
                self.forks.was_ready(replica.pod)
                replica.failed_starts = 0
                self._publish(replica, pods_status.running())
                self._tell(replica)

    def _not_ready(self, replica: Replica) -> None:
        if replica.ready:
            replica.ready = False
            self._tell(replica)

    def _ended(self, replica: Replica, code: int) -> None:
        replica.ended(code)
        replica.problem = self.logs.tail(replica.pod["metadata"]["name"]) or f"exit status {code}"
        self._publish(replica, pods_status.terminated(code, replica.problem))
        self._tell(replica)

    async def _back_off(self, replica: Replica, ran: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(replica.pause(ran)):
                await replica.stop.wait()
        replica.restarts += 1

    def _note_metrics(self, replica: Replica, port: int) -> None:
        """Say where the samples are, before there are any."""
        if replica.revision and (pod := self._stored(replica)):
            replica.pod = self._store.update(annotated(pod, port))

    def _publish(self, replica: Replica, state: Object) -> None:
        now = datetime.now(UTC)
        status = pods_status.pod_status(
            replica.pod, state, ready=replica.ready, restarts=replica.restarts, now=now
        )
        if pod := self._stored(replica):
            meta = pod["metadata"]
            replica.pod = self._store.update_status("Pod", meta["namespace"], meta["name"], status)

    def _stored(self, replica: Replica) -> Object | None:
        """Return the Pod as it is in the store; None when it is deleted or another has its name."""
        meta = replica.pod["metadata"]
        with suppress(NotFound):
            pod = self._store.get("Pod", meta["namespace"], meta["name"])
            return pod if pod["metadata"]["uid"] == meta["uid"] else None
        return None

    async def _keep_files_fresh(self) -> None:
        async for event in self._store.watch("Secret", "ConfigMap"):
            for replica in self._replicas.values():
                with suppress(ConfigError):  # the files stay as they were
                    refresh(replica.pod, event.object, self._store, self._around.data)
