"""Which versions stay: the newest three of each name, and whatever is in use. Pure.

A digest in use is never dropped, whatever its version: it serves traffic, is a rollback target, or
a person pinned it.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from functions.registry.version import Version

KEEP = 3


@dataclass(frozen=True, slots=True)
class Known:
    """One version of one model, and the digest of its files."""

    name: str
    version: Version
    digest: str


def to_prune(
    known: Iterable[Known], in_use: Collection[str], keep: int = KEEP
) -> tuple[Known, ...]:
    """Name the versions to drop, oldest first; dropping them leaves nothing more to drop."""
    by_name: dict[str, list[Known]] = defaultdict(list)
    for item in known:
        by_name[item.name].append(item)
    dropped = [
        item
        for items in by_name.values()
        for item in sorted(items, key=lambda item: item.version)[: max(len(items) - keep, 0)]
        if item.digest not in in_use
    ]
    return tuple(sorted(dropped, key=lambda item: (item.name, item.version)))


def pinned_digests(known: Iterable[Known], pins: Collection[str]) -> frozenset[str]:
    """Return the digests of the versions whose release folders (`ner-v1.1.0`) are pinned."""
    return frozenset(item.digest for item in known if f"{item.name}-v{item.version}" in pins)


def is_kept(candidate: Known, known: Iterable[Known], keep: int = KEEP) -> bool:
    """Whether `candidate` is among the newest `keep` of its name once it is known."""
    newer = {
        item.version
        for item in known
        if item.name == candidate.name and item.version > candidate.version
    }
    return len(newer) < keep
