"""The dead letter sink: what is acknowledged is kept, listed, and bounded."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from eventing.cloudevent import CloudEvent, to_http
from functions.event_log.app import function
from functions.event_log.log import EventLog
from functions.runtime.app import build_app

LETTER = CloudEvent(
    "1", "s", "t", data={"a": "ü"}, datacontenttype="application/json",
    extensions={"knativeerrorcode": "400", "knativeerrordest": "http://x"},
)  # fmt: skip


@contextlib.asynccontextmanager
async def log(directory: Path, **environ: str) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app(function, {"EVENT_LOG_DIR": str(directory), **environ})
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://log") as client,
    ):
        await app.state.lifecycle.settled()
        yield client


async def keep(client: httpx.AsyncClient, event: CloudEvent) -> int:
    headers, body = to_http(event)
    return (await client.post("/", headers=headers, content=body)).status_code


async def listed(client: httpx.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = (await client.get("/v1/events", params=params)).json()
    assert isinstance(answer, dict)
    return answer


async def test_a_dead_letter_is_kept_over_a_restart_and_listed_with_its_reason(
    tmp_path: Path,
) -> None:
    async with log(tmp_path / "new") as client:
        assert await listed(client) == {"count": 0, "events": []}
        assert await keep(client, LETTER) == 202
    async with log(tmp_path / "new") as client:
        answer = await listed(client)
    (event,) = answer["events"]
    assert (event["id"], event["data"], event["knativeerrorcode"]) == ("1", {"a": "ü"}, "400")


async def test_the_same_letter_twice_is_kept_once_and_two_subscribers_are_two_letters(
    tmp_path: Path,
) -> None:
    other = replace(LETTER, extensions={"knativeerrordest": "http://y"})
    async with log(tmp_path) as client:
        for event in (LETTER, LETTER, other):
            assert await keep(client, event) == 202
        assert (await listed(client))["count"] == 2


async def test_a_letter_whose_data_cannot_be_read_is_kept_all_the_same(tmp_path: Path) -> None:
    headers, _ = to_http(LETTER)
    async with log(tmp_path) as client:
        answer = await client.post("/", headers=headers, content=b"{broken")
        assert answer.status_code == 202
        assert (await listed(client))["events"][0]["data_base64"]


async def test_the_latest_come_first_and_the_oldest_goes(tmp_path: Path) -> None:
    kept = EventLog(tmp_path, keep=3)
    for number in range(5):
        kept.add(replace(LETTER, id=str(number)))
    assert [event["id"] for event in kept.newest(2)] == ["4", "3"]
    assert kept.count() == 3


@pytest.mark.parametrize("limit", ["0", "x", "-1", "9999"])
async def test_a_bad_limit_is_named(tmp_path: Path, limit: str) -> None:
    async with log(tmp_path) as client:
        answer = await client.get("/v1/events", params={"limit": limit})
    assert answer.status_code == 400
    assert "limit" in answer.json()["error"]["message"]


async def test_what_is_no_event_is_refused(tmp_path: Path) -> None:
    async with log(tmp_path) as client:
        assert (await client.post("/", json={"a": 1})).status_code == 400
        assert (await listed(client))["count"] == 0
