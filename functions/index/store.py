"""Generations and which of them is current: one small record per embedder, swapped, never edited.

Each embedder has its own `current`, so a query can never meet vectors of another embedder, and a
new embedder's Revision has its index while the old Revision still answers from its own. A swap is
compare-and-swap under a file lock: of two builders that started from the same generation, one wins.
"""

import fcntl
import json
import math
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from functions.index import generation
from functions.index.generation import BUILDING
from functions.index.homes import EMBEDDED, Home
from functions.runtime.errors import Unavailable

KEEP = 3
"""Generations kept per embedder: the current one and those a person may go back to."""
Stamp = tuple[int, int, int]


class Superseded(Exception):
    """Another builder's generation became current in the meantime."""


class Busy(Exception):
    """Another process is building."""


@dataclass(frozen=True, slots=True)
class IndexStore:
    """The folder that builders and readers share; `home` is where Chroma's part of it lies."""

    root: Path
    home: Home = EMBEDDED

    def current(self, embedder: str) -> str | None:
        """Return the id of the generation in use for `embedder`; None before the first."""
        try:
            record = json.loads(self._record(embedder).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        return str(record["generation"])

    def stamp(self, embedder: str) -> Stamp | None:
        """Return what changes whenever `current` does; cheap enough for every request."""
        try:
            status = self._record(embedder).stat()
        except FileNotFoundError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def embedders(self) -> list[str]:
        """Return the embedders that have a current generation."""
        return sorted(f"sha256:{path.stem}" for path in (self.root / "current").glob("*.json"))

    def path(self, name: str) -> Path:
        """Return where generation `name` lies."""
        return self.root / "generations" / name

    def manifest(self, embedder: str) -> generation.Manifest | None:
        """Return what the current generation says of itself; None before the first."""
        name = self.current(embedder)
        return None if name is None else generation.read_manifest(self.path(name))

    def size(self, embedder: str = "") -> float:
        """Return the chunks of the current generation; of the newest one where no embedder is named.

        0 before the first, and not a number while it cannot be read.
        """
        try:
            names = [self.current(one) for one in ([embedder] if embedder else self.embedders())]
            newest = max((name for name in names if name), default=None)
            return generation.read_manifest(self.path(newest)).chunks if newest else 0
        except (OSError, ValueError, LookupError, TypeError):
            return math.nan

    def generations(self, embedder: str) -> list[generation.Manifest]:
        """Return all generations that are kept for `embedder`, newest first."""
        folders = sorted((self.root / "generations").glob("[0-9]*"), reverse=True)
        manifests = [generation.read_manifest(folder) for folder in folders]
        return [manifest for manifest in manifests if manifest.embedder == embedder]

    def open(self, embedder: str) -> generation.Generation | None:
        """Open the current generation read-only; None before the first."""
        for _attempt in range(3):  # one that was just replaced may be pruned before it is opened
            name = self.current(embedder)
            if name is None:
                return None
            try:
                return generation.read(self.path(name))
            except FileNotFoundError:
                continue
        raise FileNotFoundError(f"the current generation for {embedder} is gone")

    @contextmanager
    def building(self, now: datetime) -> Iterator[Path]:
        """Hold the builders' lock and give a new folder, removed unless it was published.

        Raises Busy while another process builds; the lock falls with its holder. Folders left by a
        builder that died are removed first.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with _locked(self.root / "build.lock", wait=False):
            for leftover in (self.root / "generations").glob(BUILDING + "*"):
                self._remove(leftover)
            name = f"{now:%Y%m%dT%H%M%S.%fZ}-{uuid.uuid4().hex[:8]}"
            folder = self.root / "generations" / (BUILDING + name)
            folder.mkdir(parents=True)
            try:
                yield folder
            finally:
                if folder.exists():  # not published: it has another name then
                    with suppress(OSError, Unavailable):  # what stays is removed by the next one
                        self._remove(folder)

    def publish(self, folder: Path, embedder: str, expected: str | None) -> str:
        """Make a finished folder the current generation; raises Superseded unless `expected` was.

        Durable before visible: the folder's files and then its name reach the disk before the record.
        """
        name = generation.name_of(folder)
        for file in folder.rglob("*"):
            _sync(file)
        with _locked(self.root / "current.lock"):
            if self.current(embedder) != expected:
                raise Superseded(f"{expected} is no longer current for {embedder}")
            folder.rename(self.path(name))
            _sync(self.path(name).parent)
            self._write(embedder, name)
        return name

    def swap(self, embedder: str, expected: str | None, name: str) -> None:
        """Make an existing generation current, for going back; raises Superseded or ValueError."""
        if generation.read_manifest(self.path(name)).embedder != embedder:
            raise ValueError(f"{name} was built by another embedder")
        with _locked(self.root / "current.lock"):
            if self.current(embedder) != expected:
                raise Superseded(f"{expected} is no longer current for {embedder}")
            self._write(embedder, name)

    def prune(self, embedder: str) -> list[str]:
        """Remove all but the newest generations of `embedder`; the current one always stays."""
        current = self.current(embedder)
        mine = [manifest.generation for manifest in self.generations(embedder)]
        others = [name for name in mine if name != current]
        removed = others[KEEP - 1 :]
        for name in removed:
            self._remove(self.path(name))
        return removed

    def _remove(self, folder: Path) -> None:
        """Remove a generation; the folder last, since it is what reminds of the rest."""
        self.home.drop(folder)
        shutil.rmtree(folder)

    def _record(self, embedder: str) -> Path:
        return self.root / "current" / f"{embedder.removeprefix('sha256:')}.json"

    def _write(self, embedder: str, name: str) -> None:
        record = self._record(embedder)
        record.parent.mkdir(exist_ok=True)
        fresh = record.with_suffix(".new")
        fresh.write_text(json.dumps({"embedder": embedder, "generation": name}), encoding="utf-8")
        _sync(fresh)
        fresh.replace(record)
        _sync(record.parent)


@contextmanager
def _locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError as error:
            raise Busy("another process is building the index") from error
        yield


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
