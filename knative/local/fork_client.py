"""One fork server as the platform sees it: asked for children, told of their ends.

When it dies, what it had forked lives on and is watched by the kernel's word alone: its exit code is
then unknown, and never taken for a good one.
"""

import asyncio
import json
import os
import signal
import socket
from collections import deque
from contextlib import suppress
from typing import IO, Any

import psutil

from knative.local.processes import Process, Spawn

UNKNOWN = -1
PRELOAD_SECONDS, FORK_SECONDS = 60.0, 2.0


class Child:
    """A forked process; it can be waited for as if it were our own."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def wait(self) -> int:
        """Return the exit code once it has ended."""
        return await asyncio.shield(self.ended)

    def end(self, code: int) -> None:
        """Note the end; the first word counts."""
        if not self.ended.done():
            self.ended.set_result(code)

    def watch(self) -> None:
        """Ask the kernel for the end, because nobody else will tell."""
        loop = asyncio.get_running_loop()
        try:
            handle = os.pidfd_open(self.pid)
        except OSError:
            self.end(UNKNOWN)
            return

        def gone() -> None:
            loop.remove_reader(handle)
            os.close(handle)
            self.end(UNKNOWN)

        loop.add_reader(handle, gone)


class ForkClient:
    """The platform's end of a fork server's socket."""

    def __init__(self, control: socket.socket, process: Process) -> None:
        self._control, self._process = control, process
        self._said: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asked: deque[asyncio.Future[Child | None]] = deque()
        self._children: dict[int, Child] = {}
        self._alive = True
        control.setblocking(False)
        asyncio.get_running_loop().add_reader(control, self._read)

    async def refused(self) -> str:
        """Wait until it is ready; return why it is not, empty when it is."""
        try:
            async with asyncio.timeout(PRELOAD_SECONDS):
                return await self._said
        except TimeoutError:
            return f"not ready within {PRELOAD_SECONDS:g} s"

    async def fork(self, spawn: Spawn, out: IO[bytes]) -> Child | None:
        """Return a new child; None when the server is no more."""
        answer: asyncio.Future[Child | None] = asyncio.get_running_loop().create_future()
        request = json.dumps({"env": dict(spawn.env), "cwd": str(spawn.cwd)}).encode()
        try:
            socket.send_fds(self._control, [request], [out.fileno()])
        except OSError:
            return None
        self._asked.append(answer)
        try:
            async with asyncio.timeout(FORK_SECONDS):
                return await answer
        except TimeoutError:
            await self.close()
            return None

    async def close(self) -> None:
        """End it; what it forked lives on, but for a child that nobody was told of."""
        self._dead()
        self._process.signal(signal.SIGSTOP)
        with suppress(psutil.NoSuchProcess):
            for child in psutil.Process(self._process.pid).children():
                if child.pid not in self._children:
                    child.kill()
        self._process.signal(signal.SIGKILL)
        await self._process.wait()
        self._control.close()  # not before: it would take its children with it

    def _read(self) -> None:
        with suppress(BlockingIOError):
            try:
                data = self._control.recv(1 << 16)
            except ConnectionError:
                data = b""
            if data:
                self._told(json.loads(data))
            else:
                self._dead()

    def _told(self, said: dict[str, Any]) -> None:
        if "refused" in said:
            self._said.set_result(said["refused"])
        elif "code" in said:
            self._children.pop(said["pid"]).end(said["code"])
        else:
            child = self._children[said["pid"]] = Child(said["pid"])
            answer = self._asked.popleft()
            if not answer.done():
                answer.set_result(child)

    def _dead(self) -> None:
        if not self._alive:
            return
        self._alive = False
        asyncio.get_running_loop().remove_reader(self._control)
        if not self._said.done():
            self._said.set_result("it died")
        for answer in self._asked:
            if not answer.done():
                answer.set_result(None)
        for child in self._children.values():
            child.watch()
