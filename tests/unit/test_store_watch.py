"""Watches: in order, none missed, and Expired rather than a gap."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from knative.local import changes
from knative.local.store import Expired, Store, WatchEvent

Object = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.db")


def obj(name: str, kind: str = "ConfigMap") -> Object:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "default"}}


async def take(store: Store, count: int, *kinds: str) -> list[WatchEvent]:
    events = []
    async for event in store.watch(*kinds):
        events.append(event)
        if len(events) == count:
            break
    return events


def told(events: list[WatchEvent]) -> list[tuple[str, str]]:
    return [(e.type, e.object["metadata"]["name"]) for e in events]


async def test_a_watch_begins_with_what_exists_then_tells_changes_in_order(store: Store) -> None:
    store.create(obj("a"))
    store.create(obj("ignored", "Secret"))
    task = asyncio.create_task(take(store, 4, "ConfigMap"))
    await asyncio.sleep(0)
    made = store.create(obj("b"))
    store.update({**made, "data": {"x": "1"}})
    store.delete("ConfigMap", "default", "a")
    assert told(await task) == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "b"), ("DELETED", "a")]


async def test_writes_from_threads_reach_the_watcher(store: Store) -> None:
    task = asyncio.create_task(take(store, 20, "ConfigMap"))
    await asyncio.sleep(0)
    await asyncio.gather(*(asyncio.to_thread(store.create, obj(f"c{i}")) for i in range(20)))
    events = await task
    versions = [int(e.object["metadata"]["resourceVersion"]) for e in events]
    assert versions == sorted(set(versions))


async def test_a_subscription_resumes_after_a_revision(store: Store) -> None:
    store.create(obj("a"))
    seen = store.revision()
    store.create(obj("b"))
    with store.subscribe(["ConfigMap"], seen) as subscription:
        change = await subscription.next()
        assert change
        assert change.object()["metadata"]["name"] == "b"
        assert await subscription.next(0.01) is None


async def test_a_forgotten_revision_is_expired(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(changes, "REMEMBERED", 3)
    store = Store(tmp_path / "store.db")
    start = store.revision()
    for i in range(5):
        store.create(obj(f"c{i}"))
    with pytest.raises(Expired, match="too old resource version"):
        store.subscribe(["ConfigMap"], start)
    with store.subscribe(["ConfigMap"], start + 2) as subscription:
        change = await subscription.next()
        assert change
        assert change.object()["metadata"]["name"] == "c2"


async def test_a_restart_forgets_history_but_not_revisions(store: Store, tmp_path: Path) -> None:
    seen = store.revision()
    store.create(obj("a"))
    store.close()
    again = Store(tmp_path / "store.db")
    with pytest.raises(Expired):
        again.subscribe(["ConfigMap"], seen)
    with again.subscribe(["ConfigMap"], again.revision()):
        pass
