"""Watches over the API, and logs that are cut while they are followed."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from knative.local.api import build_app, streams
from knative.local.asgi import serve
from knative.local.kinds import BY_KIND
from knative.local.processes import server_port
from knative.local.store import Store

Object = dict[str, Any]


def watch(**fields: Any) -> streams.Watch:
    defaults: Object = {
        "kind": BY_KIND["ConfigMap"],
        "match": lambda _obj: True,
        "since": None,
        "initial": False,
        "bookmarks": False,
        "seconds": 0.2,
        "render": lambda obj: obj,
    }
    return streams.Watch(**(defaults | fields))


async def lines(stream: AsyncIterator[bytes]) -> list[Object]:
    return [json.loads(line) async for line in stream]


def config_map(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "d"}}


async def test_a_watch_from_the_forgotten_past_is_told_410(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.db")
    old = store.revision()
    store.create(config_map("a"))
    store.close()
    again = Store(tmp_path / "store.db")
    (told,) = await lines(streams.watch(again, watch(since=old)))
    assert told["type"] == "ERROR"
    assert (told["object"]["code"], told["object"]["reason"]) == (410, "Expired")


async def test_bookmarks_keep_the_version_young(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BOOKMARK_SECONDS", 0.05)
    store = Store(tmp_path / "store.db")
    told = await lines(streams.watch(store, watch(bookmarks=True, since=store.revision())))
    assert {t["type"] for t in told} == {"BOOKMARK"}
    assert told[0]["object"]["metadata"]["resourceVersion"] == str(store.revision())
    assert await lines(streams.watch(store, watch(since=store.revision()))) == []


async def test_a_followed_log_that_is_cut_goes_on_with_what_is_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "LOG_POLL_SECONDS", 0.01)
    log = tmp_path / "p.log"
    log.write_bytes(b"old old old\n")
    alive = [True]
    follow = streams.follow(log, 0, lambda: alive[0])
    assert await anext(follow) == b"old old old\n"
    log.write_bytes(b"new\n")
    assert await anext(follow) == b"new\n"
    alive[0] = False
    assert [block async for block in follow] == []


@pytest.mark.parametrize(
    ("count", "tail"),
    [(None, b"a\nb\nc"), (0, b""), (1, b"c"), (2, b"b\nc"), (9, b"a\nb\nc")],
)
def test_the_last_lines_of_a_log(tmp_path: Path, count: int | None, tail: bytes) -> None:
    log = tmp_path / "p.log"
    log.write_bytes(b"a\nb\nc")
    assert log.read_bytes()[streams.last_lines(log, count) :] == tail


async def test_an_open_watch_ends_quietly_with_the_platform(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    own, port = asyncio.all_tasks(), server_port()
    serving = asyncio.create_task(serve(build_app(Store(tmp_path / "s"), "t", tmp_path), port))
    async with asyncio.timeout(20):
        reader, writer = await connected(port)
        writer.write(b"GET /api/v1/namespaces?watch=1 HTTP/1.1\r\nHost: a\r\n")
        writer.write(b"Authorization: Bearer t\r\n\r\n")
        await reader.readuntil(b'"ADDED"')
        serving.cancel()
        await asyncio.wait([serving])
        for task in asyncio.all_tasks() - own:  # as asyncio.run does at its end
            task.cancel()
        await reader.readuntil(b"\r\n0\r\n\r\n")
        writer.close()
        await writer.wait_closed()
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []


async def connected(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    while True:
        try:
            return await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
