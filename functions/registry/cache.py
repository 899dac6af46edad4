"""The model cache: what a serving function may read, and nothing half-finished ever.

```
ROOT/entries/<hex>/…files… model_config.json   immutable, appears by one rename
ROOT/versions/<name>/<version>.json            a copy of the manifest: which digest a version is
```
Reading needs no lock: an entry is complete from the moment it has its name.
"""

from dataclasses import dataclass
from pathlib import Path

from functions.registry.errors import ManifestInvalid, ReleaseMissing
from functions.registry.manifest import Manifest, is_digest, parse
from functions.registry.paths import MANIFEST
from functions.registry.version import Version


@dataclass(frozen=True, slots=True)
class Release:
    """A complete release on this disk: its manifest, and the folder that holds its files."""

    manifest: Manifest
    path: Path

    @property
    def digest(self) -> str:
        """The release's digest, `sha256:<hex>`."""
        return self.manifest.digest


class ModelCache:
    """The read side of the cache under `root` (`MODEL_CACHE_DIR`)."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.entries = root / "entries"
        self.versions = root / "versions"

    def release(self, digest: str) -> Release:
        """Return the release with this digest; ReleaseMissing when the cache does not hold it."""
        path = self.entry_path(digest)
        try:
            release = Release(_read(path / MANIFEST), path)
        except FileNotFoundError:
            raise ReleaseMissing(f"no release {digest} in the model cache") from None
        if release.digest != digest:
            raise ReleaseMissing(f"the entry of {digest} holds {release.digest}")
        return release

    def version(self, name: str, version: Version) -> Release | None:
        """Return the release that was synced as this very version."""
        return self._recorded(self.record_path(name, version))

    def newest(self, name: str) -> Release | None:
        """Return the release of the highest version of `name`, by semantic-version order."""
        return max(self._named(name), key=lambda found: found.manifest.version, default=None)

    def releases(self) -> list[Release]:
        """Every release, by name, then version."""
        names = sorted(path.name for path in list_folder(self.versions))
        return [
            release
            for name in names
            for release in sorted(self._named(name), key=lambda found: found.manifest.version)
        ]

    def entry_path(self, digest: str) -> Path:
        """Where the entry of `digest` is, or would be."""
        if not is_digest(digest):
            raise ReleaseMissing(f"{digest[:80]!r} is not a digest (sha256:<64 hex digits>)")
        return self.entries / digest.removeprefix("sha256:")

    def record_path(self, name: str, version: Version) -> Path:
        """Where the record of a version is, or would be."""
        return self.versions / name / f"{version}.json"

    def _named(self, name: str) -> list[Release]:
        records = list_folder(self.versions / name)
        found = (self._recorded(path) for path in records if path.suffix == ".json")
        return [release for release in found if release]

    def _recorded(self, record: Path) -> Release | None:
        # A record that is gone or damaged is as good as none: the next sync writes it again.
        try:
            manifest = _read(record)
        except (FileNotFoundError, ReleaseMissing):
            return None
        path = self.entry_path(manifest.digest)
        return Release(manifest, path) if path.is_dir() else None


def list_folder(folder: Path) -> list[Path]:
    """Return what is in `folder`; nothing when it does not exist."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def _read(path: Path) -> Manifest:
    try:
        # What is in the cache was allowed when it came in.
        return parse(path.read_bytes(), allow_pickles=True)
    except ManifestInvalid as error:
        raise ReleaseMissing(f"{path} is damaged: {error}") from error
