"""`python -m knative.local.fork_server FD MODULE ARGS…`: has everything imported, and forks on request.

What `python -m MODULE ARGS…` would become is forked instead: MODULE's `preload()` imports and opens
what it can, `main()` runs in each child. The rule: it forks only while it has a single thread, and
never once a GPU's driver is mapped. Where it cannot, it says why and ends; whoever asked starts a
process plainly. Only the standard library is imported by this file itself.

FD is a socket of datagrams, JSON both ways. In: `env` and `cwd`, with the output's descriptor. Out:
first `refused` (empty: it is ready), then `pid` for each request in order, and `pid` with `code` for
each end. At the end of FD the platform is gone, and all that was forked goes with it.
"""

import ctypes
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

_DRIVERS = ("libcuda", "libamdhip")
_MOST = 1 << 20
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serve until the platform is gone; in a child, become the program."""
    control = socket.socket(fileno=int(sys.argv[1]))
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, 0)  # it ends what it forked before it ends
    module = sys.argv[2]
    del sys.argv[1:3]
    entry = importlib.import_module(f"{module}.__main__")
    refused = _preload(entry)
    control.send(json.dumps({"refused": refused}).encode())
    if refused:
        return
    gc.collect()
    gc.freeze()  # a collection would write to every page that is shared
    if _Server(control).in_child():
        entry.main()


def _preload(entry: ModuleType) -> str:
    """Import and open; return why nothing may be forked, empty when it may."""
    if not hasattr(entry, "preload"):
        return f"{entry.__name__} has no preload"
    entry.preload()
    threads = sum(1 for _ in Path("/proc/self/task").iterdir())
    if threads > 1:
        return f"{threads} threads run"
    maps = Path("/proc/self/maps").read_text()
    return next((f"{driver} is mapped" for driver in _DRIVERS if driver in maps), "")


class _Server:
    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._wake, self._woken = socket.socketpair()
        self._woken.setblocking(False)
        self._children: set[int] = set()

    def in_child(self) -> bool:
        """Fork on request; return True in each child, False when the platform is gone."""
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._woken.fileno())
        while True:
            ready = select.select([self._control, self._wake], [], [])[0]
            if self._wake in ready:
                self._wake.recv(_MOST)
                self._reap()
            if self._control in ready:
                data, files, _, _ = socket.recv_fds(self._control, _MOST, 1)
                if not data:
                    self._end()
                    return False
                if self._fork(json.loads(data), files[0]):
                    return True

    def _fork(self, request: dict[str, Any], output: int) -> bool:
        pid = os.fork()
        if not pid:
            self._become(request, output)
            return True
        os.close(output)
        self._children.add(pid)
        self._tell(pid=pid)
        return False

    def _become(self, request: dict[str, Any], output: int) -> None:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for own in (self._control, self._wake, self._woken):
            own.close()
        for stream in (1, 2):
            os.dup2(output, stream)
        os.close(output)
        os.environ.clear()
        os.environ.update(request["env"])
        os.chdir(request["cwd"])

    def _reap(self) -> None:
        for pid in list(self._children):
            with suppress(ChildProcessError):
                found, status = os.waitpid(pid, os.WNOHANG)
                if found:
                    self._children.discard(pid)
                    self._tell(pid=pid, code=os.waitstatus_to_exitcode(status))

    def _tell(self, **said: int) -> None:
        with suppress(OSError):  # the end of the platform is found where it is waited for
            self._control.send(json.dumps(said).encode())

    def _end(self) -> None:
        for pid in self._children:
            for kill in (os.kill, os.killpg):  # one that was just forked leads no group yet
                with suppress(ProcessLookupError):
                    kill(pid, signal.SIGKILL)


if __name__ == "__main__":
    main()
