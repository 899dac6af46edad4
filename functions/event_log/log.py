"""Events on disk, one file each: acknowledged means synced, a redelivery replaces its own file."""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eventing.cloudevent import CloudEvent, readable, to_http


@dataclass(frozen=True, slots=True)
class EventLog:
    """A directory of events in structured mode; at most `keep` of them."""

    directory: Path
    keep: int

    def add(self, event: CloudEvent) -> None:
        """Store one event; it is on disk when this returns."""
        _, body = to_http(readable(event), structured=True)
        failed_at = event.extensions.get("knativeerrordest", "")
        identity = json.dumps([event.source, event.id, failed_at])
        path = self.directory / f"{hashlib.sha256(identity.encode()).hexdigest()[:40]}.json"
        partial = path.with_suffix(f".{os.getpid()}.partial")
        with partial.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        partial.rename(path)
        _sync_directory(self.directory)
        for old in self._files()[self.keep :]:
            old.unlink(missing_ok=True)

    def newest(self, limit: int) -> list[dict[str, Any]]:
        """Return up to `limit` events, the latest first."""
        return [json.loads(path.read_bytes()) for path in self._files()[:limit]]

    def count(self) -> int:
        """How many are kept."""
        return len(self._files())

    def _files(self) -> list[Path]:
        found = [(path.stat().st_mtime_ns, path) for path in self.directory.glob("*.json")]
        return [path for _, path in sorted(found, reverse=True)]


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
