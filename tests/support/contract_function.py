"""The function of the contract suite: standard library only, so that any Python image runs it.

It is handed to the container as `python -c SOURCE`. Environment: GREETING is shown, FAIL ends the
process with these words, START_SECONDS delays the first answer, GET_STATUS is what callers of `/`
get, STATUS and REPLY_TYPE say how an event is answered. `GET /received` lists the events, `POST /relay` passes an event on to X-Relay-To
as a caller inside the cluster.
"""

import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.error import HTTPError
from urllib.request import Request, urlopen

RECEIVED: list[dict[str, object]] = []


class Function(BaseHTTPRequestHandler):
    """Answers as the environment says."""

    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # head and body leave together: otherwise Nagle's algorithm costs 40 ms

    def do_GET(self) -> None:
        """Show who answers, and what was received."""
        if self.path == "/received":
            self.answer(200, RECEIVED)
            return
        if self.path.startswith("/slow"):
            time.sleep(1)
        names = ("K_SERVICE", "K_CONFIGURATION", "K_REVISION", "GREETING", "PORT")
        environment = {name: os.environ.get(name, "") for name in names}
        headers = {name.lower(): value for name, value in self.headers.items()}
        status = int(os.environ.get("GET_STATUS", "200")) if self.path == "/" else 200
        self.answer(status, {**environment, "pid": os.getpid(), "headers": headers})

    def do_POST(self) -> None:
        """Take an event, or pass it on."""
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        if self.path == "/relay":
            self.answer(200, {"status": relayed(headers, body)})
            return
        RECEIVED.append({"path": self.path, "headers": headers, "body": body.decode()})
        if reply := os.environ.get("REPLY_TYPE"):
            event = {"ce-id": "reply", "ce-source": "replier", "ce-specversion": "1.0"}
            self.answer(200, {}, {**event, "ce-type": reply})
        else:
            self.answer(int(os.environ.get("STATUS", "202")))

    def answer(
        self, status: int, content: object = None, headers: dict[str, str] | None = None
    ) -> None:
        """Write a whole answer."""
        body = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if body:
            self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say what was asked, at once."""
        sys.stdout.write(f"asked {self.path}\n")
        sys.stdout.flush()


def relayed(headers: dict[str, str], body: bytes) -> int:
    """Send on what is an event's; return the answer's status."""
    own = {k: v for k, v in headers.items() if k.startswith("ce-") or k == "content-type"}
    method = headers.get("x-relay-method", "POST")
    request = Request(headers["x-relay-to"], data=body or None, headers=own, method=method)  # noqa: S310 - the test's own address
    try:
        with urlopen(request, timeout=30) as answer:  # noqa: S310 - as above
            return int(answer.status)
    except HTTPError as refusal:
        return refusal.code


class Server(ThreadingHTTPServer):
    """Takes many connections at once."""

    request_queue_size = 256


if __name__ == "__main__":
    if os.environ.get("FAIL"):
        sys.exit(os.environ["FAIL"])
    time.sleep(float(os.environ.get("START_SECONDS", "0")))
    # Where the platform does not say otherwise, a container listens to everybody.
    address = os.environ.get("BIND_ADDRESS", "0.0.0.0")  # noqa: S104 - as its comment says
    Server((address, int(os.environ["PORT"])), Function).serve_forever()
