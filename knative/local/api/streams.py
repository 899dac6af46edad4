"""Answers that do not end by themselves: watches, and logs that are followed.

A watch sends what the client's selectors let it see: an object that stops matching is DELETED for
it, one that starts matching is ADDED. `sendInitialEvents` ends its first part with the bookmark
that clients wait for; later bookmarks keep their resourceVersion young while nothing happens.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from knative.local.changes import Change, Subscription
from knative.local.errors import Expired, NotFound
from knative.local.kinds import Kind
from knative.local.store import Object, Store

BOOKMARK_SECONDS = 30.0
LOG_POLL_SECONDS = 0.2
_CHUNK = 1 << 16

Match = Callable[[Object], bool]


class Stream(StreamingResponse):
    """Such an answer. The platform's end is its end too, and no error."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until there is no more, or the platform ends."""
        try:
            await super().__call__(scope, receive, send)
        except asyncio.CancelledError:
            await send({"type": "http.response.body", "body": b""})  # the last part


@dataclass(frozen=True, slots=True)
class Watch:
    """One client's watch. `since` None: start with what exists."""

    kind: Kind
    match: Match
    since: int | None
    initial: bool  # sendInitialEvents
    bookmarks: bool
    seconds: float
    render: Callable[[Object], Any]


async def watch(store: Store, wanted: Watch) -> AsyncIterator[bytes]:
    """Yield one JSON line an event until the client's time is over."""
    now = store.revision()
    try:
        subscription = store.subscribe([wanted.kind.kind], wanted.since or now)
    except Expired as failure:
        yield _line("ERROR", failure.status())
        return
    existing = store.list(wanted.kind.kind) if wanted.since is None else []
    with subscription:
        for obj in filter(wanted.match, existing):
            yield _line("ADDED", wanted.render(obj))
        if wanted.initial:
            yield _line("BOOKMARK", _bookmark(wanted.kind, now, initial=True))
        async for line in _changes(store, subscription, wanted):
            yield line


async def _changes(store: Store, subscription: Subscription, wanted: Watch) -> AsyncIterator[bytes]:
    clock = asyncio.get_running_loop().time
    end = clock() + wanted.seconds
    while (left := end - clock()) > 0:
        change = await subscription.next(min(left, BOOKMARK_SECONDS))
        if change:
            line = _change(change, wanted)
        else:
            bookmark = _bookmark(wanted.kind, store.revision(), initial=False)
            line = _line("BOOKMARK", bookmark) if wanted.bookmarks else b""
        if line:
            yield line


def _change(change: Change, wanted: Watch) -> bytes:
    """Return the event as this client sees it, nothing when it does not concern it."""
    obj, before = change.object(), change.before()
    matches = change.type != "DELETED" and wanted.match(obj)
    matched = before is not None and wanted.match(before)
    if matches:
        return _line("MODIFIED" if matched else "ADDED", wanted.render(obj))
    return _line("DELETED", wanted.render(obj)) if matched else b""


def _bookmark(kind: Kind, revision: int, *, initial: bool) -> Object:
    notes = {"annotations": {"k8s.io/initial-events-end": "true"}} if initial else {}
    meta = {"resourceVersion": str(revision), "creationTimestamp": None, **notes}
    return {"kind": kind.kind, "apiVersion": kind.api_version, "metadata": meta}


def _line(event: str, obj: Any) -> bytes:
    return json.dumps({"type": event, "object": obj}, separators=(",", ":")).encode() + b"\n"


def last_lines(path: Path, count: int | None) -> int:
    """Return the offset where the last `count` lines start; None means all."""
    if count is None or not path.exists():
        return 0
    content = path.read_bytes()  # logs are bounded, so this is too
    lines = content.splitlines(keepends=True)
    return len(content) - sum(len(line) for line in lines[max(0, len(lines) - count) :])


async def follow(path: Path, offset: int, alive: Callable[[], bool]) -> AsyncIterator[bytes]:
    """Yield a log from `offset` on, until its pod has ended and all was read."""
    while True:
        ended = not alive()
        block = await asyncio.to_thread(_read, path, offset)
        if block is None:
            offset = 0  # the file was cut: what is there now is new
        elif block:
            offset += len(block)
            yield block
        elif ended:
            return
        else:
            await asyncio.sleep(LOG_POLL_SECONDS)


def _read(path: Path, offset: int) -> bytes | None:
    try:
        with path.open("rb") as file:
            if file.seek(0, 2) < offset:
                return None
            file.seek(offset)
            return file.read(_CHUNK)
    except FileNotFoundError:
        return b""


def running(store: Store, namespace: str, name: str) -> bool:
    """Say whether a pod may still write to its log."""
    try:
        status = store.get("Pod", namespace, name).get("status") or {}
    except NotFound:
        return False
    return status.get("phase") not in ("Succeeded", "Failed")
