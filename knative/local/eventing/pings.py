"""PingSource: ticks from the moment it is Ready and stops at once when deleted.

A tick that its sink refuses is lost; one missed while the platform was down is not made up for.
"""

import asyncio
import base64
import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from cronsim import CronSim, CronSimError

from eventing.cloudevent import JSON, CloudEvent
from eventing.events import PING
from knative.local.eventing.control import Judged, Problem
from knative.local.eventing.sinks import emit
from knative.local.store import Object

_FIELD = re.compile(r"[0-9A-Za-z*/,\-]+")
_FIVE_OR_SIX = (5, 6)
_LONGEST_SLEEP = 60.0  # a clock that jumps is noticed within this


def schedule(expression: str, timezone: str | None, now: datetime) -> Iterator[datetime]:
    """Iterate the times of a five- or six-field cron expression; ValueError says what is wrong."""
    fields = expression.replace("?", "*").split()
    if len(fields) not in _FIVE_OR_SIX or not all(_FIELD.fullmatch(field) for field in fields):
        raise ValueError(f"schedule {expression!r} is not a cron expression of 5 or 6 fields")
    try:
        zone = ZoneInfo(timezone) if timezone else UTC
        times: Iterator[datetime] = CronSim(" ".join(fields), now.astimezone(zone))
    except (CronSimError, KeyError, ValueError) as error:
        raise ValueError(f"schedule {expression!r} {timezone or ''}: {error}") from error
    return times


def judge(client: httpx.AsyncClient, obj: Object, sink: str | None) -> Judged:
    """Tick while the schedule is one."""
    invalid = _invalid_ping(obj["spec"])
    work = None if invalid else partial(_tick, client, obj, str(sink))
    return Judged({"ValidSchedule": invalid, "Deployed": None}, work=work)


def _invalid_ping(spec: Object) -> Problem:
    try:
        schedule(spec.get("schedule", ""), spec.get("timezone"), datetime.now(UTC))
        base64.b64decode(spec.get("dataBase64", ""), validate=True)
    except ValueError as error:
        return ("InvalidSchedule", str(error))
    return None


async def _tick(client: httpx.AsyncClient, obj: Object, sink: str) -> None:
    spec = obj["spec"]
    async with asyncio.TaskGroup() as sending:
        for due in schedule(spec["schedule"], spec.get("timezone"), datetime.now(UTC)):
            await _until(due)
            sending.create_task(emit(client, sink, _ping(obj)))


async def _until(due: datetime) -> None:
    while (left := (due - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110 - no event tells the time
        await asyncio.sleep(min(left, _LONGEST_SLEEP))


def _ping(obj: Object) -> CloudEvent:
    spec, meta = obj["spec"], obj["metadata"]
    content_type = spec.get("contentType", JSON)
    data: Any = spec.get("data", "").encode() or base64.b64decode(spec.get("dataBase64", ""))
    return CloudEvent(
        id=str(uuid.uuid4()),
        source=f"/apis/v1/namespaces/{meta['namespace']}/pingsources/{meta['name']}",
        type=PING,
        time=datetime.now(UTC),
        data=data or None,
        datacontenttype=content_type if data else None,
        extensions=(spec.get("ceOverrides") or {}).get("extensions") or {},
    )
