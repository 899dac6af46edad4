"""Replicas are forked from a process that has imported everything, where their template asks for it.

The switch is the template's annotation `knative.local/fork-server: "true"`. The first replica of a
Revision starts plainly; once it has been ready, a fork server is kept beside it, and whatever starts
later with the same command and environment is forked. A fork server that refuses or dies costs one
log line, a count, and nothing else: the next start is a plain one, and what was forked lives on.
"""

import asyncio
import logging
import socket
import sys
from collections import Counter, OrderedDict
from collections.abc import Mapping
from pathlib import Path
from typing import IO

from knative.local.fork_client import ForkClient
from knative.local.pods_env import ROOT
from knative.local.processes import Process, Spawn
from knative.local.store import Object

log = logging.getLogger(__name__)
SWITCH = "knative.local/fork-server"
KEPT = 8
"""Fork servers at once; the one that was asked longest ago goes first."""
_A_PODS_OWN = ("PORT", "METRICS_PORT", "HOSTNAME")
Key = tuple[object, ...]


class Forks:
    """The fork servers of one platform, by what they were told to run."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._servers: OrderedDict[Key, ForkClient] = OrderedDict()
        self._candidates: dict[str, Spawn] = {}  # by the Pod's uid
        self._starting: dict[Key, asyncio.Task[None]] = {}
        self._clients: set[ForkClient] = set()  # all that were not closed yet
        self.starts: Counter[str] = Counter()

    async def start(self, pod: Object, spawn: Spawn, out: IO[bytes]) -> Process:
        """Start a replica, forked where that can be; raises OSError when it cannot be started."""
        if _asks(pod, spawn):
            if server := self._servers.get(_key(spawn)):
                self._servers.move_to_end(_key(spawn))
                if child := await server.fork(spawn, out):
                    self.starts["forked"] += 1
                    return Process.recorded(child, spawn, self._data)
                self._servers.pop(_key(spawn), None)
                self._refused(spawn, "it died")
                await self._close(server)
            self._candidates[pod["metadata"]["uid"]] = spawn
        self.starts["plain"] += 1
        return await Process.start(spawn, self._data, out)

    def was_ready(self, pod: Object) -> None:
        """Keep a fork server for what this replica runs, unless there is one."""
        spawn = self._candidates.pop(pod["metadata"]["uid"], None)
        if spawn and (key := _key(spawn)) not in self._servers and key not in self._starting:
            self._starting[key] = asyncio.create_task(self._begin(key, spawn))

    async def close(self) -> None:
        """End every fork server."""
        for task in self._starting.values():
            task.cancel()
        await asyncio.gather(*self._starting.values(), return_exceptions=True)
        for client in list(self._clients):
            await self._close(client)

    def metrics(self) -> str:
        """Write how replicas were started, for Prometheus."""
        name = "knative_local_starts_total"
        lines = [f'{name}{{how="{how}"}} {count}\n' for how, count in sorted(self.starts.items())]
        return f"# TYPE {name} counter\n{''.join(lines)}"

    async def _begin(self, key: Key, spawn: Spawn) -> None:
        try:
            client = await self._spawned(spawn)
            refused = await client.refused()
        except OSError as error:
            self._refused(spawn, str(error))
            return
        finally:
            del self._starting[key]
        if refused:
            self._refused(spawn, refused)
            await self._close(client)
            return
        self._servers[key] = client
        if len(self._servers) > KEPT:
            await self._close(self._servers.popitem(last=False)[1])

    async def _close(self, client: ForkClient) -> None:
        await client.close()
        self._clients.discard(client)

    async def _spawned(self, spawn: Spawn) -> ForkClient:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        words = ("-m", "knative.local.fork_server", str(theirs.fileno()), *spawn.argv[2:])
        env = {name: value for name, value in spawn.env.items() if name not in _A_PODS_OWN}
        own = Spawn(
            f"fork-server_{spawn.name}",
            (spawn.argv[0], *words),
            env,
            spawn.cwd,
            fds=(theirs.fileno(),),
        )
        with theirs, (self._data / "logs" / "fork-servers.log").open("ab") as out:
            try:
                client = ForkClient(ours, await Process.start(own, self._data, out))
            except OSError:
                ours.close()
                raise
        self._clients.add(client)
        return client

    def _refused(self, spawn: Spawn, why: str) -> None:
        self.starts["refused"] += 1
        words = " ".join(spawn.argv[2:])
        log.warning("no fork server for %s: %s; replicas start plainly", words, why)


def _asks(pod: Object, spawn: Spawn) -> bool:
    notes: Mapping[str, str] = pod["metadata"].get("annotations") or {}
    module = tuple(spawn.argv[:2]) == (sys.executable, "-m") and len(spawn.argv) > 2  # noqa: PLR2004 - and its name
    return notes.get(SWITCH) == "true" and module and spawn.cwd == ROOT and sys.platform == "linux"


def _key(spawn: Spawn) -> Key:
    """Return what must be equal; a Pod's files lie in a folder of its name."""
    own = f"/{spawn.name}/"
    shared = {name: value.replace(own, "/") for name, value in spawn.env.items()}
    for name in _A_PODS_OWN:
        shared.pop(name, None)
    return (" ".join(spawn.argv[2:]), str(spawn.cwd), frozenset(shared.items()))
