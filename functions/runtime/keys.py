"""API keys, known by their SHA-256 alone and compared in constant time.

The file has a line a key, `NAME HEX`; `#` begins a comment. It is read again when it has changed, so
a key is rotated by adding the new line, moving the callers, and removing the old one: no restart. A
file that cannot be read any more lets nobody in.
"""

import hashlib
import hmac
import logging
from pathlib import Path

log = logging.getLogger(__name__)
_DIGEST_LENGTH = 64
Stamp = tuple[int, int, int]


class Keys:
    """The keys in a file, as it is now."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self._known: tuple[tuple[str, str], ...] = ()

    def owner(self, key: str) -> str | None:
        """Return the name of the key's owner; None for a key that nobody has."""
        self._refresh()
        shown, owner = hashlib.sha256(key.encode()).hexdigest(), None
        for name, digest in self._known:  # always all of them: time tells nothing
            if hmac.compare_digest(shown, digest):
                owner = name
        return owner

    def _refresh(self) -> None:
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
            if stamp != self._stamp:
                self._known = read(self._path.read_text(encoding="utf-8"))
                self._stamp = stamp
        except (OSError, ValueError) as error:
            log.warning("no API key is valid: %s", error)
            self._known, self._stamp = (), None


def read(text: str) -> tuple[tuple[str, str], ...]:
    """Read the file's lines; ValueError names the line that is wrong, never its content."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        words = line.partition("#")[0].split()
        if not words:
            continue
        if len(words) != 2 or not _is_digest(words[1]):  # noqa: PLR2004 - a name and a digest
            raise ValueError(f"line {number} of the key file is not NAME and a SHA-256 in hex")
        found.append((words[0], words[1].lower()))
    return tuple(found)


def _is_digest(text: str) -> bool:
    return len(text) == _DIGEST_LENGTH and all(c in "0123456789abcdef" for c in text.lower())
