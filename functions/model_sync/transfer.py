"""Carrying out a plan: link, fetch, verify, publish. Blocks: run it in a thread.

Every byte of an entry was hashed before the entry gets its name. A file that fails is fetched once
more from its first byte, because what a killed sync left may be to blame; if it fails again the
release is refused.
"""

import errno
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from functions.model_sync.plan import Plan, plan
from functions.registry import signing
from functions.registry.cache import ModelCache, Release
from functions.registry.cache_writer import CacheWriter, Workplace
from functions.registry.errors import ObjectMissing, ObjectReplaced, Refused
from functions.registry.manifest import FileEntry, Manifest
from functions.registry.marks import mark, marked, verified

SPARE = 64 << 20
"""Bytes that stay free on the volume: a full disk is everybody's fault."""

log = logging.getLogger(__name__)


class Store(Protocol):
    """Where the files of a release are: a bucket, or a folder."""

    def fetch(self, folder: str, entry: FileEntry, target: Path, notes: Path) -> str:
        """Bring one file to `target`, resuming by `notes`; return the sha256 of what is there."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """Brings releases from a store into a cache."""

    store: Store
    cache: ModelCache
    public_key: Path | None = None
    """With a key, only what it signed is let in."""

    def run(self, manifest: Manifest) -> Release:
        """Return the release, complete and verified; Refused, Busy or StoreUnavailable else."""
        writer = CacheWriter(self.cache)
        with _full_disk_refused():
            return self._adopt(manifest, writer) or self._build(manifest, writer)

    def _adopt(self, manifest: Manifest, writer: CacheWriter) -> Release | None:
        entry = self.cache.entry_path(manifest.digest)
        if entry.is_dir():
            self._check_signature(manifest, entry)
        return writer.adopt(manifest)

    def _build(self, manifest: Manifest, writer: CacheWriter) -> Release:
        # Refused inside the claim, too, because what it holds is thrown away with the release.
        with writer.claim(manifest.digest) as place, _full_disk_refused():
            # Another process may have published it while this one waited for its turn.
            if present := self._adopt(manifest, writer):
                return present
            self._complete(manifest, place)
            self._check_signature(manifest, place.files)
            return writer.publish(manifest, place)

    def _complete(self, manifest: Manifest, place: Workplace) -> None:
        work = plan(manifest, self._held(manifest))
        self._check_room(work, place)
        try:
            for entry, source in work.link:
                self._link(manifest.folder, entry, Path(source), place)
            for entry in work.fetch:
                self._fetch(manifest.folder, entry, place)
        except ObjectMissing as error:
            raise Refused(f"a file of the release is missing: {error}", "file_missing") from error
        _remove_strangers(manifest, place)

    def _check_signature(self, manifest: Manifest, files: Path) -> None:
        if self.public_key:
            signing.check(manifest, files, self.public_key)

    def _held(self, manifest: Manifest) -> dict[str, str]:
        wanted = {entry.sha256 for entry in manifest.files}
        return {
            entry.sha256: str(release.path / entry.path)
            for release in self.cache.releases()
            for entry in release.manifest.files
            if entry.sha256 in wanted
        }

    def _check_room(self, work: Plan, place: Workplace) -> None:
        here = sum(_allocated(place.files / entry.path) for entry in work.fetch)
        needed = work.room - here + SPARE
        free = shutil.disk_usage(place.files).free
        if needed > free:
            reason = f"the release needs {needed >> 20} MiB of disk, {free >> 20} MiB are free"
            raise Refused(reason, "no_space")

    def _link(self, folder: str, entry: FileEntry, source: Path, place: Workplace) -> None:
        target = place.files / entry.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        try:
            target.hardlink_to(source)
        except OSError:
            # Pruned meanwhile, or a file system without hard links: fetching always works.
            log.info("%s could not be linked, so it is fetched", entry.path)
        if not (marked(target, entry) or verified(target, entry)):
            target.unlink(missing_ok=True)  # what is fetched must not be written into the other
            self._fetch(folder, entry, place)

    def _fetch(self, folder: str, entry: FileEntry, place: Workplace) -> None:
        target = place.files / entry.path
        notes = place.notes / entry.sha256
        for last in (False, True):
            try:
                found = self.store.fetch(folder, entry, target, notes)
            except ObjectReplaced:
                if last:
                    raise
                continue
            if found == entry.sha256:
                mark(target, entry)
                return
            notes.unlink(missing_ok=True)
        raise Refused(f"{entry.path} does not have the sha256 that the manifest says", "wrong_hash")


def verify(release: Release) -> list[str]:
    """Hash every file of a release in the cache; return the paths that are damaged."""
    files = release.manifest.files
    return [entry.path for entry in files if not verified(release.path / entry.path, entry)]


@contextmanager
def _full_disk_refused() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Refused("the disk is full", "no_space") from error
        raise


def _allocated(path: Path) -> int:
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _remove_strangers(manifest: Manifest, place: Workplace) -> None:
    """Leave nothing in the entry that the manifest does not name."""
    named = {entry.path for entry in manifest.files}
    for path in place.files.rglob("*"):
        if not path.is_dir() and path.relative_to(place.files).as_posix() not in named:
            path.unlink()
