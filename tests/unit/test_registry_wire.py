"""Bytes come past urllib3's copies, what came before a cut counts, and the connection is used again."""

import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import pytest
from botocore.exceptions import ReadTimeoutError
from urllib3 import HTTPResponse

from functions.registry.errors import Cut
from functions.registry.store import connect
from functions.registry.wire import plain, stream

CONTENT = bytes(range(250)) * 4000
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


class _Server(BaseHTTPRequestHandler):
    """Sends CONTENT, or of `short` the first half, and remembers who connected."""

    protocol_version = "HTTP/1.1"
    peers: ClassVar[set[Any]] = set()

    def do_GET(self) -> None:
        self.peers.add(self.client_address)
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        with suppress(ConnectionError):  # a client may break it off
            self.wfile.write(CONTENT[: len(CONTENT) // 2] if "short" in self.path else CONTENT)
        self.close_connection = "short" in self.path

    def log_message(self, *_args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def client() -> Iterator[Any]:
    _Server.peers.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Server) as server:
        threading.Thread(target=server.serve_forever).start()
        found = connect(
            "s3", {**KEYS, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
        )
        with closing(found):
            yield found
        server.shutdown()


def body(client: Any, key: str = "whole") -> Any:
    return client.get_object(Bucket="bucket", Key=key)["Body"]


def test_bytes_do_not_go_through_urllib3(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(body(client)) as answer:
        monkeypatch.delattr(HTTPResponse, "read")  # all else there is made of it
        pieces = [bytes(piece) for piece in stream(answer, len(CONTENT), 300_000)]
    assert b"".join(pieces) == CONTENT
    assert [len(piece) for piece in pieces] == [300_000] * 3 + [100_000]


def test_a_connection_is_used_again(client: Any) -> None:
    for _ in range(3):
        with closing(body(client)) as answer:
            assert sum(map(len, stream(answer, len(CONTENT), 1 << 20))) == len(CONTENT)
    assert len(_Server.peers) == 1


def test_an_answer_that_ends_early_gives_what_came(client: Any) -> None:
    with closing(body(client, "short")) as answer:
        came = b"".join(bytes(piece) for piece in stream(answer, len(CONTENT), 1 << 20))
    assert came == CONTENT[: len(CONTENT) // 2]


@pytest.mark.parametrize("fault", [Cut("reset"), ReadTimeoutError(endpoint_url="x")])
def test_what_came_before_a_cut_is_given_before_the_cut_is_told(fault: Exception) -> None:
    class Body:
        """Not urllib3's: three bytes, and then it breaks."""

        left = 3

        def readinto(self, into: memoryview) -> int:
            if not self.left:
                raise fault
            self.left -= 1
            into[:1] = b"x"
            return 1

    pieces = stream(Body(), 10, 5)
    assert bytes(next(pieces)) == b"xxx"
    with pytest.raises(type(fault)):
        next(pieces)


def test_a_socket_that_breaks_is_a_cut(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    answer = body(client)

    def reset(_into: memoryview) -> int:
        raise ConnectionResetError("by peer")

    monkeypatch.setattr(plain(answer), "readinto", reset)
    with pytest.raises(Cut, match="by peer"):
        next(stream(answer, len(CONTENT), 1 << 20))
    answer.close()
