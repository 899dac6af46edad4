"""Every process that the platform starts, in a group of its own, and none of them outlives it.

Three nets, each for what the one before cannot catch: the platform stops its groups; Linux kills
the leaders when the platform dies (PDEATHSIG); the next start sweeps what is left. A sweep touches
only what is proved ours: a pid file with the same start time, or our own mark in the environment.
"""

import asyncio
import ctypes
import itertools
import json
import logging
import os
import random
import signal
import socket
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

import psutil

log = logging.getLogger(__name__)
_SERVER_PORTS = itertools.cycle(random.sample(range(20_000, 30_000), 10_000))
MARK = "KNATIVE_LOCAL_DATA"
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_parent() -> None:
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass(frozen=True, slots=True)
class Spawn:
    """What to start: `name` is unique under `data`, output goes to `log`, `fds` are handed on."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    cwd: Path
    fds: tuple[int, ...] = ()


class Started(Protocol):
    """A process that was started, by whatever means."""

    @property
    def pid(self) -> int:
        """The process id, which is its group's id too."""
        ...

    async def wait(self) -> int:
        """Return the exit status at its end."""
        ...


class Process:
    """A running process group with its pid file."""

    def __init__(self, process: Started, pid_file: Path) -> None:
        self._process = process
        self._pid_file = pid_file

    @classmethod
    async def start(cls, spawn: Spawn, data: Path, log: IO[bytes]) -> "Process":
        """Start it; raises OSError when it cannot be executed."""
        process = await asyncio.create_subprocess_exec(
            *spawn.argv,
            cwd=spawn.cwd,
            env={**spawn.env, MARK: str(data)},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=_die_with_parent,
            pass_fds=spawn.fds,
        )
        return cls.recorded(process, spawn, data)

    @classmethod
    def recorded(cls, process: Started, spawn: Spawn, data: Path) -> "Process":
        """Write the pid file of a process that was started as `spawn`."""
        pid_file = data / "run" / "pids" / f"{spawn.name}.json"
        pid_file.parent.mkdir(parents=True, exist_ok=True)
        pid_file.write_text(json.dumps({"pid": process.pid, "started": _started(process.pid)}))
        return cls(process, pid_file)

    @property
    def pid(self) -> int:
        """Return the process id, which is the group's id too."""
        return self._process.pid

    async def wait(self) -> int:
        """Wait for the end, take the rest of the group with it, and return the exit status."""
        code = await self._process.wait()
        self.signal(signal.SIGKILL)
        self._pid_file.unlink(missing_ok=True)
        return code

    def signal(self, number: int) -> None:
        """Send a signal to the whole group; a group that is gone is no error."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)

    async def stop(self, grace: float) -> int:
        """SIGTERM, then SIGKILL after `grace` seconds."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                return await self.wait()
        except TimeoutError:
            self.signal(signal.SIGKILL)
            return await self.wait()


async def keep_alive(
    spawn: Spawn, data: Path, output: Path, grace: float, before: Callable[[], None] | None = None
) -> None:
    """Keep a server running until cancelled, then end it; `before` is called ahead of each start."""
    output.parent.mkdir(parents=True, exist_ok=True)
    while True:
        if before:
            before()
        with output.open("ab") as out:
            process = await Process.start(spawn, data, out)
        try:
            code = await process.wait()
        except asyncio.CancelledError:
            await asyncio.shield(process.stop(grace))
            raise
        log.error("%s ended with %s, see %s; starting it again", spawn.name, code, output)
        await asyncio.sleep(0.5)


def sweep(data: Path) -> list[int]:
    """Kill what an earlier instance on this data folder left behind; return the pids."""
    killed = []
    for pid in {*_recorded(data), *_marked(data)}:
        with suppress(ProcessLookupError, PermissionError):
            # The group first: it may hold children that have no mark any more.
            if os.getpgid(pid) == pid:
                os.killpg(pid, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
        killed.append(pid)
    for file in (data / "run" / "pids").glob("*.json"):
        file.unlink(missing_ok=True)
    return killed


def is_free(port: int) -> bool:
    """Say whether a server may listen on a loopback port."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def server_port(preferred: int = 0) -> int:
    """Return a port for a new server: the preferred one when it is free, else one not given yet.

    Below the range of outgoing connections: there, one of those could take it first, or a probe
    could meet itself.
    """
    if preferred and is_free(preferred):
        return preferred
    return next(filter(is_free, _SERVER_PORTS))


def kept_port(note: Path) -> int:
    """Return the port that is noted in a file, or a new one, which then is, when that is taken."""
    noted = 0
    with suppress(OSError, ValueError):
        noted = int(note.read_text())
    port = server_port(noted)
    note.parent.mkdir(parents=True, exist_ok=True)
    note.write_text(str(port))
    return port


def _started(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.NoSuchProcess:
        return 0.0


def _recorded(data: Path) -> Iterator[int]:
    for file in (data / "run" / "pids").glob("*.json"):
        with suppress(ValueError, KeyError, OSError):
            record = json.loads(file.read_text())
            # The kernel reuses pids; the start time tells ours from a stranger's.
            if record["started"] and abs(_started(record["pid"]) - record["started"]) < 1:
                yield int(record["pid"])


def _marked(data: Path) -> Iterator[int]:
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            ours = process.environ().get(MARK) == str(data)
            if ours and process.pid != os.getpid():
                yield process.pid
