"""What to do with a release that was announced: a value, before anything is done.

A plan links what the cache holds already and fetches the rest; done once, it fetches nothing more. An
older version that arrives late changes nothing that is served: it is taken in quietly while it is
among the newest three, and left alone when it is not. Asked for by name, it is taken in and
announced. Pure.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum

from functions.registry.manifest import FileEntry, Manifest
from functions.registry.retention import Known, is_kept


class Course(Enum):
    """What an announced version deserves."""

    ANNOUNCE = "sync it and say so"
    QUIET = "sync it, nobody needs to hear of it"
    IGNORE = "too old to be kept"


@dataclass(frozen=True, slots=True)
class Plan:
    """Files to link (from the path given) and files to fetch; `room` is bytes of disk."""

    link: tuple[tuple[FileEntry, str], ...]
    fetch: tuple[FileEntry, ...]

    @property
    def room(self) -> int:
        """Bytes that the fetched files will take."""
        return sum(entry.size for entry in self.fetch)


def course(arriving: Manifest, known: Iterable[Known], *, requested: bool) -> Course:
    """Decide by what is the newest known version of that name."""
    known = [item for item in known if item.name == arriving.name]
    if requested or not any(item.version > arriving.version for item in known):
        return Course.ANNOUNCE
    candidate = Known(arriving.name, arriving.version, arriving.digest)
    return Course.QUIET if is_kept(candidate, known) else Course.IGNORE


def plan(manifest: Manifest, held: Mapping[str, str]) -> Plan:
    """Plan a release's files; `held` maps a sha256 to the path of such a file in the cache."""
    files = manifest.files
    return Plan(
        link=tuple((entry, held[entry.sha256]) for entry in files if entry.sha256 in held),
        fetch=tuple(entry for entry in files if entry.sha256 not in held),
    )
