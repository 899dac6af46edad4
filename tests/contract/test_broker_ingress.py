"""What the Broker's ingress answers to whom, over real HTTP."""

from pathlib import Path

import httpx
import pytest

from eventing.broker import Broker
from eventing.durable import Queue
from eventing.ingress import build_app
from tests.support.broker import BINARY, running
from tests.support.subscriber import serving

STRUCTURED = {"content-type": "application/cloudevents+json"}
STATUSES = [
    ("valid binary", "POST", "/ns/default", BINARY, b"", 202),
    ("trailing slash", "POST", "/ns/default/", BINARY, b"", 202),
    ("specversion 0.3", "POST", "/ns/default", BINARY | {"ce-specversion": "0.3"}, b"", 202),
    (
        "structured",
        "POST",
        "/ns/default",
        STRUCTURED,
        b'{"specversion":"1.0","id":"1","source":"s","type":"t"}',
        202,
    ),
    ("no id", "POST", "/ns/default", {k: v for k, v in BINARY.items() if k != "ce-id"}, b"", 400),
    ("empty type", "POST", "/ns/default", BINARY | {"ce-type": ""}, b"", 400),
    ("specversion 2", "POST", "/ns/default", BINARY | {"ce-specversion": "2.0"}, b"", 400),
    ("bad extension", "POST", "/ns/default", BINARY | {"ce-a-b": "x"}, b"", 400),
    (
        "content type not ASCII",
        "POST",
        "/ns/default",
        STRUCTURED,
        '{"specversion":"1.0","id":"1","source":"s","type":"t","datacontenttype":"a/ü"}'.encode(),
        400,
    ),
    ("bad time", "POST", "/ns/default", BINARY | {"ce-time": "noon"}, b"", 400),
    (
        "batch",
        "POST",
        "/ns/default",
        {"content-type": "application/cloudevents-batch+json"},
        b"[]",
        400,
    ),
    ("plain JSON", "POST", "/ns/default", {"content-type": "application/json"}, b"{}", 400),
    ("structured array", "POST", "/ns/default", STRUCTURED, b"[]", 400),
    ("structured nonsense", "POST", "/ns/default", STRUCTURED, b"\xff", 400),
    ("one segment", "POST", "/ns", BINARY, b"", 400),
    ("three segments", "POST", "/ns/default/x", BINARY, b"", 400),
    ("hops used up", "POST", "/ns/default", BINARY | {"ce-knativebrokerttl": "1"}, b"", 400),
    ("unknown broker", "POST", "/ns/other", BINARY, b"", 404),
    ("root", "POST", "/", BINARY, b"", 404),
    ("query", "POST", "/ns/default?x=1", BINARY, b"", 404),
    ("GET", "GET", "/ns/default", {}, b"", 405),
    ("PUT", "PUT", "/ns/default", BINARY, b"", 405),
    ("OPTIONS", "OPTIONS", "/ns/default", {}, b"", 200),
    ("header over 1 MB", "POST", "/ns/default", BINARY | {"x": "y" * (1 << 20)}, b"", 431),
]


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "status"),
    [case[1:] for case in STATUSES],
    ids=[case[0] for case in STATUSES],
)
async def test_the_ingress_answers_as_knatives_does(
    tmp_path: Path, method: str, path: str, headers: dict[str, str], body: bytes, status: int
) -> None:
    async with running(tmp_path) as broker:
        url = broker.url + path
        answer = await broker.client.request(method, url, headers=headers, content=body)
    assert answer.status_code == status
    if status == 202:
        assert answer.content == b""


async def test_before_the_triggers_are_known_nothing_is_accepted(tmp_path: Path) -> None:
    async with httpx.AsyncClient(trust_env=False) as client:
        broker = Broker(Queue(tmp_path / "events.db"), client)
        async with serving(build_app(broker)) as url:
            answer = await client.post(f"{url}/ns/default", headers=BINARY)
        await broker.aclose()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
