"""The Broker's memory: an event is on disk before it is acknowledged, and stays until delivered.

One SQLite file. Every change that belongs together is one transaction: an event with all its
deliveries, and the end of a delivery with whatever follows from it (the reply, the dead letter).
So a crash between any two lines repeats a delivery, and never loses or half-fans-out an event.
Calls block (each commit waits for the disk): the Broker makes them on a thread of their own.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from eventing.cloudevent import CloudEvent, read_raw, to_http

_SCHEMA = """
CREATE TABLE IF NOT EXISTS events (
    id INTEGER PRIMARY KEY, headers TEXT NOT NULL, body BLOB NOT NULL, passed TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event INTEGER NOT NULL REFERENCES events (id),
    route TEXT NOT NULL,
    dead_letter_to TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_of_event ON deliveries (event);
"""


@dataclass(frozen=True, slots=True)
class Pending:
    """One delivery that is owed: to a Trigger (`route`), or as a dead letter to an address.

    `attempts` counts those that failed, `due` is the Unix time of the next one.
    """

    id: int
    event: int
    route: str
    dead_letter_to: str | None = None
    attempts: int = 0
    due: float = 0.0


@dataclass(frozen=True, slots=True)
class Entry:
    """An event on its way in: for which Triggers, with which HTTP headers to pass on."""

    event: CloudEvent
    routes: tuple[str, ...]
    passed: Mapping[str, str]
    dead_letter_to: str | None = None


class Queue:
    """Events and the deliveries still owed."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def pending(self) -> list[Pending]:
        """Every delivery owed, oldest first."""
        rows = self._db.execute(
            "SELECT id, event, route, dead_letter_to, attempts, due FROM deliveries ORDER BY id"
        )
        return [Pending(*row) for row in rows]

    def load(self, pending: Pending) -> tuple[CloudEvent, dict[str, str]]:
        """Read a delivery's event (data as bytes) and the headers to pass on with it."""
        headers, body, passed = self._db.execute(
            "SELECT headers, body, passed FROM events WHERE id = ?", (pending.event,)
        ).fetchone()
        return read_raw(json.loads(headers), body), json.loads(passed)

    def add(self, entries: Iterable[Entry]) -> list[Pending]:
        """Store events with all their deliveries; on disk when this returns."""
        with _Transaction(self._db):
            return [pending for entry in entries for pending in self._insert(entry)]

    def postpone(self, pending: Pending) -> None:
        """Remember how often a delivery has failed, and when it is due again."""
        with _Transaction(self._db):
            self._db.execute(
                "UPDATE deliveries SET attempts = ?, due = ? WHERE id = ?",
                (pending.attempts, pending.due, pending.id),
            )

    def finish(self, pending: Pending, follow: Iterable[Entry] = ()) -> list[Pending]:
        """End a delivery, and store what follows from it, both or neither."""
        with _Transaction(self._db):
            self._db.execute("DELETE FROM deliveries WHERE id = ?", (pending.id,))
            self._db.execute(
                "DELETE FROM events WHERE id = ?1"
                " AND NOT EXISTS (SELECT 1 FROM deliveries WHERE event = ?1)",
                (pending.event,),
            )
            return [owed for entry in follow for owed in self._insert(entry)]

    def _insert(self, entry: Entry) -> list[Pending]:
        if not entry.routes:
            return []
        headers, body = to_http(entry.event)
        event = self._execute(
            "INSERT INTO events (headers, body, passed) VALUES (?, ?, ?)",
            (json.dumps(headers), body, json.dumps(dict(entry.passed))),
        )
        statement = "INSERT INTO deliveries (event, route, dead_letter_to) VALUES (?, ?, ?)"
        return [
            Pending(
                self._execute(statement, (event, route, entry.dead_letter_to)),
                event,
                route,
                entry.dead_letter_to,
            )
            for route in entry.routes
        ]

    def _execute(self, statement: str, values: tuple[object, ...]) -> int:
        row = self._db.execute(statement, values).lastrowid
        return row or 0


class _Transaction:
    """BEGIN IMMEDIATE … COMMIT, or ROLLBACK when anything is raised."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._db = database

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: type[BaseException] | None, *_rest: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")
