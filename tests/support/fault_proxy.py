"""An HTTP proxy before the S3 server that lies, refuses, stops and hangs up when it is told to."""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

CHUNK = 512
_HOP = {"connection", "transfer-encoding", "keep-alive", "content-length"}
_RESET = struct.pack("ii", 1, 0)  # close without a farewell: the peer sees a reset


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one answer.

    `refuse`: a status and S3's code instead of the object. `cut`: end the connection after so many
    bytes of the body. `flip`: the body's first byte is another. `grow`: so many bytes too many,
    announced as such. `reset`: hang up at every so-manieth chunk of all that was sent.
    """

    refuse: tuple[int, str] | None = None
    cut: int | None = None
    flip: bool = False
    grow: int = 0
    reset: int = 0


@dataclass
class Rule:
    """Which requests meet the fault, and how often; `before` runs first, each time."""

    method: str
    part: str
    fault: Fault
    times: int
    before: Callable[[], None] = lambda: None


@dataclass
class FaultProxy:
    """Forwards to `upstream` (a port); the first rule that fits and is not used up applies."""

    upstream: int
    port: int = 0
    rules: list[Rule] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    chunks: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, method: str, part: str, fault: Fault, times: int = 1 << 30, **more: Any) -> None:
        """Apply `fault` to the next `times` requests of this method whose address has `part`."""
        self.rules.append(Rule(method, part, fault, times, **more))

    def calm(self) -> None:
        """Forget every rule."""
        self.rules.clear()

    def meet(self, method: str, path: str) -> Fault:
        with self.lock:
            self.seen.append(f"{method} {path}")
            for rule in self.rules:
                if rule.times and rule.method in {method, "*"} and rule.part in path:
                    rule.times -= 1
                    break
            else:
                return Fault()
        rule.before()
        return rule.fault


@contextmanager
def fault_proxy(upstream: int) -> Iterator[FaultProxy]:
    proxy = FaultProxy(upstream)

    class Handler(_Handler):
        faults = proxy

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            """A client that hung up is what some tests are about."""

    with Server(("127.0.0.1", 0), Handler) as server:
        proxy.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield proxy
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    faults: FaultProxy

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        fault = self.faults.meet(self.command, self.path)
        if fault.refuse:
            self._refuse(*fault.refuse)
            return
        upstream = http.client.HTTPConnection("127.0.0.1", self.faults.upstream, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers.items()))
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if fault.flip and content:
            content = bytes([content[0] ^ 1]) + content[1:]
        content += b"?" * fault.grow
        length = answer.headers.get("content-length", "0") if not content else str(len(content))
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("content-length", length)
        self.end_headers()
        self._send(content, fault)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _any  # noqa: N815 - the base class's names

    def _refuse(self, status: int, code: str) -> None:
        document = b"" if self.command == "HEAD" else f"<Error><Code>{code}</Code></Error>".encode()
        self.send_response(status)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(document)))
        self.end_headers()
        self.wfile.write(document)

    def _send(self, content: bytes, fault: Fault) -> None:
        if fault.cut is not None:
            self.wfile.write(content[: fault.cut])
            self._hang_up()
        if not fault.reset:
            self.wfile.write(content)
            return
        for start in range(0, len(content), CHUNK):
            with self.faults.lock:
                self.faults.chunks += 1
                due = self.faults.chunks % fault.reset == 0
            if due:
                self._hang_up()
            self.wfile.write(content[start : start + CHUNK])
            self.wfile.flush()

    def _hang_up(self) -> None:
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.connection.close()
        raise ConnectionAbortedError
