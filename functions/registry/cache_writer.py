"""How an entry comes into the cache, and leaves it: by one rename, or not at all.

A sync works in `staging/<hex>/files`, under a lock of its own. What it made is flushed to disk
before it gets its name, so neither a reader nor a power cut meets half an entry. What a killed sync
left stays for the next sync of the same digest, which resumes it; the next sync of any other sweeps
it away.
"""

import os
import shutil
import stat
from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from functions.registry.cache import ModelCache, Release, list_folder
from functions.registry.errors import Busy, Refused
from functions.registry.locks import exclusive
from functions.registry.manifest import Manifest
from functions.registry.paths import MANIFEST
from functions.registry.retention import KEEP, Known, to_prune

READ_ONLY = 0o444
"""The mode of a file of an entry."""


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where one sync builds its entry: the files themselves, and notes on their progress."""

    files: Path
    notes: Path


class CacheWriter:
    """The write side of a cache; safe beside other writers, in this process and in others."""

    def __init__(self, cache: ModelCache) -> None:
        self.cache = cache
        self._staging = cache.root / "staging"
        self._locks = cache.root / "locks"

    @contextmanager
    def claim(self, digest: str) -> Iterator[Workplace]:
        """Hold the only workplace for this digest; Busy when another sync holds it."""
        hexdigits = self.cache.entry_path(digest).name
        with exclusive(self._locks / hexdigits, wait=False):
            self.sweep(but=hexdigits)
            place = Workplace(self._staging / hexdigits / "files", self._staging / hexdigits / "n")
            place.files.mkdir(parents=True, exist_ok=True)
            place.notes.mkdir(exist_ok=True)
            try:
                yield place
            except Refused:
                shutil.rmtree(place.notes.parent)
                raise

    def publish(self, manifest: Manifest, place: Workplace) -> Release:
        """Give the entry its name. The caller has verified every file."""
        target = self.cache.entry_path(manifest.digest)
        (place.files / MANIFEST).write_bytes(manifest.to_bytes())
        _flush_tree(place.files)
        with self._records():
            target.parent.mkdir(parents=True, exist_ok=True)
            place.files.rename(target)
            _flush(target.parent)
            self._record(manifest)
        shutil.rmtree(place.notes.parent)
        return Release(manifest, target)

    def adopt(self, manifest: Manifest) -> Release | None:
        """Record the version when its files are here already; None when they are not."""
        entry = self.cache.entry_path(manifest.digest)
        with self._records():
            if not entry.is_dir():
                return None
            self._record(manifest)
        return Release(manifest, entry)

    def prune(self, in_use: Collection[str], keep: int = KEEP) -> tuple[Known, ...]:
        """Drop the versions that retention names, and entries that no version names."""
        with self._records():
            known = known_versions(self.cache)
            dropped = to_prune(known, in_use, keep)
            for item in dropped:
                self.cache.record_path(item.name, item.version).unlink(missing_ok=True)
            spared = {*in_use, *(item.digest for item in known if item not in dropped)}
            for entry in list_folder(self.cache.entries):
                if f"sha256:{entry.name}" not in spared:
                    self._discard(entry)
        return dropped

    def sweep(self, but: str = "") -> None:
        """Remove what dead syncs left, except for the digest that is about to be resumed."""
        for leftover in list_folder(self._staging):
            if leftover.name != but:
                self._remove_unless_held(leftover)

    def _records(self) -> AbstractContextManager[None]:
        return exclusive(self._locks / "records", wait=True)

    def _record(self, manifest: Manifest) -> None:
        path, content = self.cache.record_path(manifest.name, manifest.version), manifest.to_bytes()
        if path.is_file() and path.read_bytes() == content:
            return  # the same announcement again: nothing to write, nothing to flush
        partial = self._staging / "record" / "partial"
        for folder in (path.parent, partial.parent):
            folder.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        _flush(partial)
        partial.replace(path)
        _flush(path.parent)

    def _remove_unless_held(self, leftover: Path) -> None:
        lock = "records" if leftover.name == "record" else leftover.name
        try:
            with exclusive(self._locks / lock, wait=False):
                shutil.rmtree(leftover, ignore_errors=True)
        except Busy:
            return

    def _discard(self, entry: Path) -> None:
        # Renamed first: a reader finds a whole entry or none.
        trash = self._staging / f"{entry.name}.{os.getpid()}"
        self._staging.mkdir(parents=True, exist_ok=True)
        try:
            entry.rename(trash)
        except FileNotFoundError:
            return
        shutil.rmtree(trash, ignore_errors=True)


def known_versions(cache: ModelCache) -> list[Known]:
    """Every version in the cache, as retention sees it."""
    return [
        Known(release.manifest.name, release.manifest.version, release.digest)
        for release in cache.releases()
    ]


def _flush_tree(root: Path) -> None:
    for folder, _, files in os.walk(root):
        for name in files:
            path = Path(folder) / name
            if _of_an_entry(path):
                continue
            path.chmod(READ_ONLY)
            _flush(path)
        _flush(Path(folder))


def _of_an_entry(path: Path) -> bool:
    # A sync links only what an entry has, and what an entry has was flushed before the entry got
    # its name: a large file need not be walked through by the disk once more. Its new name here is
    # its folder's, which is flushed.
    status = path.stat()
    return status.st_nlink > 1 and stat.S_IMODE(status.st_mode) == READ_ONLY


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
