"""The one place where objects live: what a write returned is on disk before anyone hears of it.

Every write is one SQLite transaction (WAL), so `kill -9` at any instant leaves the state before it
or the state after it. resourceVersion is one counter over all kinds and never goes back, also over
restarts. Readers get private copies. Watchers see writes in order and miss none.
"""

import copy
import json
import sqlite3
import threading
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from knative.local.changes import Change, Changes, EventType, Subscription, parse
from knative.local.errors import AlreadyExists, Conflict, Expired, NotFound
from knative.local.kinds import BY_KIND

Object = dict[str, Any]
Objects = list[Object]
Place = tuple[str, str]  # namespace, name
Key = tuple[str, str, str]  # kind, namespace, name

__all__ = [
    "AlreadyExists",
    "Change",
    "Conflict",
    "Expired",
    "NotFound",
    "Object",
    "Store",
    "WatchEvent",
]

SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
  kind TEXT, namespace TEXT, name TEXT, body TEXT NOT NULL, PRIMARY KEY (kind, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS counter (id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER);
INSERT OR IGNORE INTO counter VALUES (1, 1);
"""
PUT = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)"
REMOVE = "DELETE FROM objects WHERE kind = ? AND namespace = ? AND name = ?"


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One change. `object` is the receiver's own copy; of a deleted object, its last state."""

    type: EventType
    object: Object


def key_of(obj: Object) -> Key:
    """Return the (kind, namespace, name) under which an object is stored."""
    meta = obj["metadata"]
    return obj["kind"], meta.get("namespace", ""), meta["name"]


def timestamp(now: datetime) -> str:
    """Write a time the way Kubernetes does: UTC, whole seconds."""
    return now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class Store:
    """All objects of the platform, in one SQLite file."""

    def __init__(
        self, path: Path, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=0o600)  # Secrets are in it
        self._clock = clock
        self._lock = threading.RLock()
        self._db = sqlite3.connect(path, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(SCHEMA)
        rows = self._db.execute("SELECT kind, namespace, name, body FROM objects")
        self._bodies: dict[str, dict[Place, str]] = {}
        for kind, namespace, name, body in rows:
            self._bodies.setdefault(kind, {})[namespace, name] = body
        self._revision: int = self._db.execute("SELECT revision FROM counter").fetchone()[0]
        self._changes = Changes(self._revision)

    def close(self) -> None:
        """Close the file; the store is unusable afterwards."""
        self._db.close()

    def revision(self) -> int:
        """Return the resourceVersion of the last write."""
        return self._revision

    def get(self, kind: str, namespace: str, name: str) -> Object:
        """Return a private copy, or raise NotFound."""
        body = self._of(kind).get((namespace, name))
        if body is None:
            row = BY_KIND[kind]
            raise NotFound(f'{row.resource} "{name}" not found', row.details(name))
        return parse(body)

    def list(
        self,
        kind: str,
        namespace: str | None = None,
        labels: Mapping[str, str] | None = None,
        saying: str = "",
    ) -> list[Object]:
        """Return private copies, ordered by namespace and name. `None` means every namespace.

        `saying` leaves out, cheaply, what nowhere has this text: parsing is what costs.
        """
        wanted = dict(labels or {}).items()
        texts = [f"{json.dumps(k)}:{json.dumps(v)}" for k, v in wanted] + [saying]
        with self._lock:
            bodies = [
                (place, body)
                for place, body in self._of(kind).items()
                if namespace in (None, place[0]) and all(text in body for text in texts)
            ]
        found = (parse(body) for _, body in sorted(bodies))
        return [o for o in found if wanted <= (o["metadata"].get("labels") or {}).items()]

    def _of(self, kind: str) -> dict[Place, str]:
        return self._bodies.get(kind, {})

    def create(self, obj: Object) -> Object:
        """Store a new object with uid, creationTimestamp, resourceVersion and generation 1."""
        new = copy.deepcopy(obj)
        kind, namespace, name = key_of(new)
        with self._lock:
            if (namespace, name) in self._of(kind):
                row = BY_KIND[kind]
                raise AlreadyExists(f'{row.resource} "{name}" already exists', row.details(name))
            new["metadata"] |= {
                "uid": str(uuid.uuid4()),
                "creationTimestamp": timestamp(self._clock()),
                "generation": 1,
            }
            if not namespace:
                new["metadata"].pop("namespace", None)
            self._commit([("ADDED", new)])
        return new

    def update(self, obj: Object) -> Object:
        """Replace an object; a set resourceVersion must be current. A new spec bumps generation."""
        with self._lock:
            old = self.get(*key_of(obj))
            new = copy.deepcopy(obj)
            _check_fresh(old, new)
            kept = ("uid", "creationTimestamp", "generation", "resourceVersion")
            new["metadata"] |= {k: old["metadata"][k] for k in kept}
            if new == old:
                return old
            if new.get("spec") != old.get("spec"):
                new["metadata"]["generation"] += 1
            self._commit([("MODIFIED", new)])
        return new

    def update_status(self, kind: str, namespace: str, name: str, status: Object) -> Object:
        """Replace `.status` only; equal status writes nothing."""
        with self._lock:
            current = self.get(kind, namespace, name)
            if current.get("status") != status:
                current["status"] = copy.deepcopy(status)
                self._commit([("MODIFIED", current)])
        return current

    def delete(self, kind: str, namespace: str, name: str, *, orphan: bool = False) -> None:
        """Remove an object and all it owns, in one transaction; `orphan` lets the owned stay."""
        with self._lock:
            first = self.get(kind, namespace, name)
            changed = [_disown(o, first) for o in self._owned(first)] if orphan else []
            gone = [first] if orphan else self._closure(first)
            self._commit(
                [*(("MODIFIED", o) for o in changed), *(("DELETED", o) for o in gone)],
            )

    def _closure(self, first: Object) -> Objects:
        """List the object, what it owns, what that owns; a Namespace owns what is in it."""
        found = {key_of(first): first}
        queue = deque([first])
        while queue:
            for child in self._owned(queue.popleft()):
                if key_of(child) not in found:
                    found[key_of(child)] = child
                    queue.append(child)
        return [*found.values()]

    def _owned(self, owner: Object) -> Objects:
        uid = owner["metadata"]["uid"]
        inside = owner["metadata"]["name"] if owner["kind"] == "Namespace" else None
        return [
            parse(body)
            for bodies in self._bodies.values()
            for (namespace, _), body in bodies.items()
            if (inside and namespace == inside) or (uid in body and _owns(uid, parse(body)))
        ]

    def _commit(self, writes: Sequence[tuple[EventType, Object]]) -> None:
        """Write in one transaction, then publish: nobody hears of what is not on disk."""
        changes = []
        with self._db:
            for number, (type_, obj) in enumerate(writes, self._revision + 1):
                obj["metadata"]["resourceVersion"] = str(number)
                body, key = json.dumps(obj, separators=(",", ":")), key_of(obj)
                if type_ == "DELETED":
                    self._db.execute(REMOVE, key)
                else:
                    self._db.execute(PUT, (*key, body))
                before = self._of(obj["kind"]).get(key[1:])
                changes.append((key[1:], Change(number, type_, obj["kind"], body, before)))
            self._db.execute("UPDATE counter SET revision = ?", (self._revision + len(changes),))
        for place, change in changes:
            self._publish(place, change)

    def _publish(self, place: Place, change: Change) -> None:
        bodies = self._bodies.setdefault(change.kind, {})
        if change.type == "DELETED":
            bodies.pop(place, None)
        else:
            bodies[place] = change.body
        self._revision = change.revision
        self._changes.publish(change)

    def subscribe(self, kind_names: Iterable[str], since: int) -> Subscription:
        """Listen to the writes after revision `since`, or raise Expired."""
        with self._lock:
            return self._changes.subscribe(kind_names, since)

    async def watch(self, *kind_names: str) -> AsyncIterator[WatchEvent]:
        """Yield every existing object as ADDED, then each change, in order, without end."""
        with self._lock:
            existing = [b for kind in sorted(kind_names) for _, b in sorted(self._of(kind).items())]
            subscription = self._changes.subscribe(kind_names, self._revision)
        with subscription:
            for body in existing:
                yield WatchEvent("ADDED", parse(body))
            while change := await subscription.next():
                yield WatchEvent(change.type, change.object())


def _check_fresh(old: Object, new: Object) -> None:
    wanted = new["metadata"].get("resourceVersion")
    if wanted and wanted != old["metadata"]["resourceVersion"]:
        row, name = BY_KIND[old["kind"]], old["metadata"]["name"]
        raise Conflict(
            f'Operation cannot be fulfilled on {row.resource} "{name}": the object has been '
            "modified; please apply your changes to the latest version and try again",
            row.details(name),
        )


def _owns(uid: str, obj: Object) -> bool:
    return any(ref.get("uid") == uid for ref in obj["metadata"].get("ownerReferences") or [])


def _disown(obj: Object, owner: Object) -> Object:
    uid = owner["metadata"]["uid"]
    refs = [r for r in obj["metadata"].get("ownerReferences", []) if r.get("uid") != uid]
    obj["metadata"]["ownerReferences"] = refs
    return obj
