"""The index in the bucket, `indexes/<generation>/…`: a whole generation, or no backup.

What an index is made from is in the bucket anyway, so a backup saves time and no data: an empty volume
begins with the newest one, and the rebuild that follows embeds only what came since. The list of the
files is put last and goes first; every file is compared with it on its way back.
"""

import json
import logging
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from functions.index.generation import BUILDING
from functions.index.store import IndexStore
from functions.registry.download import WORKERS
from functions.registry.errors import ObjectMissing, Refused, RegistryError
from functions.registry.folders import Folders, entry_of
from functions.registry.manifest import FileEntry
from functions.registry.paths import check_paths
from functions.runtime.metrics import gauge

INDEXES, LIST = "indexes", "backup.json"
KEEP = 3
"""Backups kept per embedder, as on the volume."""
_LARGEST_LIST = 4 << 20
BACKED_UP = gauge(
    "embedding_index_backup_timestamp_seconds", "When the index was last known to be in the bucket"
)
log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backup:
    """A generation in the bucket: what it is of, when it was put there, and its files."""

    generation: str
    embedder: str
    made_at: datetime
    files: tuple[FileEntry, ...]

    def to_bytes(self) -> bytes:
        """Return the list as it is put."""
        fields = asdict(self) | {"made_at": self.made_at.isoformat(timespec="seconds")}
        return json.dumps(fields, indent=2).encode()


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups in a bucket; one is made `every` so often. Blocking; faults are RegistryError."""

    folders: Folders
    every: timedelta

    def newest(self, embedder: str) -> Backup | None:
        """Return the newest backup of an embedder's index."""
        return next(iter(self._of(embedder)), None)

    def save(self, store: IndexStore, embedder: str, now: datetime) -> Backup | None:
        """Put the current generation into the bucket; None when there is none."""
        name = store.current(embedder)
        if name is None:
            return None
        root = store.path(name)
        paths = sorted(
            path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()
        )
        send = partial(self._send, name, root)
        with ThreadPoolExecutor(WORKERS) as pool:
            made = Backup(name, embedder, now, tuple(pool.map(send, paths)))
        self.folders.put(name, LIST, made.to_bytes(), again=True)
        self._tidy(made)
        return made

    def keep(self, store: IndexStore, embedder: str, now: datetime) -> None:
        """Make a backup if it is time for one; the index is no worse for it when that fails."""
        try:
            newest = self.newest(embedder)
            current = newest is not None and newest.generation == store.current(embedder)
            if not current and (newest is None or now - newest.made_at >= self.every):
                newest, current = self.save(store, embedder, now), True
        except (RegistryError, OSError):
            log.exception("the index is not backed up; the next rebuild tries again")
            return
        if newest is not None:
            BACKED_UP.labels().set((now if current else newest.made_at).timestamp())

    def restore(self, store: IndexStore, embedder: str, now: datetime) -> Backup | None:
        """Begin an empty volume with the newest backup that is whole; None when there is none.

        Raises store.Busy or store.Superseded when another process is at it.
        """
        if store.current(embedder) is not None:
            return None
        try:
            found = self._of(embedder)
        except RegistryError:
            log.exception("the backups cannot be listed: the index is built from nothing")
            return None
        return next((backup for backup in found if self._brought(store, backup, now)), None)

    def _brought(self, store: IndexStore, backup: Backup, now: datetime) -> bool:
        try:
            self._bring(store, backup, now)
        except RegistryError:
            log.exception("backup %s is of no use", backup.generation)
            return False
        log.info("the index begins with backup %s", backup.generation)
        return True

    def _bring(self, store: IndexStore, backup: Backup, now: datetime) -> None:
        if store.path(backup.generation).is_dir():  # only the record of what is current was lost
            store.swap(backup.embedder, None, backup.generation)
            return
        with store.building(now) as fresh, tempfile.TemporaryDirectory() as notes:
            folder = fresh.rename(fresh.with_name(BUILDING + backup.generation))
            for number, entry in enumerate(backup.files):
                note = Path(notes) / str(number)
                found = self.folders.fetch(backup.generation, entry, folder / entry.path, note)
                if found != entry.sha256:
                    raise Refused(f"{entry.path} is damaged", "wrong_hash")
            store.publish(folder, backup.embedder, None)

    def _tidy(self, made: Backup) -> None:
        """Remove what is too old, and older uploads that never ended."""
        whole = listing(self.folders)
        mine = [backup.generation for backup in whole if backup.embedder == made.embedder]
        ended = {backup.generation for backup in whole}
        torn = [name for name in self.folders.names() if name not in ended]
        for name in (*mine[KEEP:], *(name for name in torn if name < made.generation)):
            self.folders.remove(name, LIST)

    def _send(self, name: str, root: Path, path: str) -> FileEntry:
        entry = entry_of(root, path)
        if not self.folders.stored(name, entry):
            self.folders.upload(name, entry, root / path, lambda _: None)
        return entry

    def _of(self, embedder: str) -> list[Backup]:
        return [backup for backup in listing(self.folders) if backup.embedder == embedder]


def listing(folders: Folders) -> list[Backup]:
    """Return every whole backup, newest first; a generation's name begins with its time."""
    found = (_read(folders, name) for name in sorted(folders.names(), reverse=True))
    return [backup for backup in found if backup]


def _read(folders: Folders, name: str) -> Backup | None:
    try:
        return parse(json.loads(folders.read(name, LIST, _LARGEST_LIST)), name)
    except ObjectMissing:
        return None  # its upload has not ended, or never did
    except (ValueError, LookupError, TypeError, Refused):
        log.exception("%s cannot be read", folders.uri(name))
        return None


def parse(raw: Mapping[str, Any], name: str) -> Backup:
    """Read a list; raises ValueError, LookupError, TypeError or Refused when it is none."""
    files = tuple(FileEntry(**item) for item in raw["files"])
    check_paths((entry.path for entry in files), allow_pickles=True)  # Chroma's end in .bin, too
    if raw["generation"] != name:
        raise ValueError(f"the list in {name} is of {raw['generation']}")
    made_at = datetime.fromisoformat(raw["made_at"]).astimezone(UTC)
    return Backup(name, str(raw["embedder"]), made_at, files)
