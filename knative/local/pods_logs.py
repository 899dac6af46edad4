"""What processes write: a file a Pod, none without end, and not for ever."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

LIMIT, KEPT = 16 << 20, 1 << 20  # bytes
LAST, LAST_LINES = 2000, 5  # bytes and lines: what a status tells of an end
FILES_KEPT = 300


@dataclass(frozen=True, slots=True)
class Logs:
    """The log files in a folder."""

    folder: Path

    def file(self, pod: str) -> Path:
        """Return where a Pod's output goes."""
        return self.folder / f"{pod}.log"

    def tail(self, pod: str) -> str:
        """Return the last lines of a Pod's output."""
        file = self.file(pod)
        if not file.exists():
            return ""
        with file.open("rb") as content:
            content.seek(max(0, file.stat().st_size - LAST))
            lines = content.read().decode(errors="replace").splitlines()
        return "\n".join(lines[-LAST_LINES:])

    async def keep_small(self) -> None:
        """Shorten what is long and remove what is old, until cancelled."""
        while True:
            await asyncio.sleep(10)
            logs = [(f, f.stat()) for f in self.folder.glob("*.log")]
            for file, stat in logs:
                if stat.st_size > LIMIT:
                    _shorten(file)
            logs.sort(key=lambda entry: entry[1].st_mtime, reverse=True)
            for file, _ in logs[FILES_KEPT:]:
                file.unlink(missing_ok=True)


def _shorten(file: Path) -> None:
    # Writers append, so they go on at the new end; what they write in between may be lost.
    with file.open("r+b") as content:
        content.seek(-KEPT, 2)
        kept = content.read()
        content.truncate(0)
        content.seek(0)
        content.write(kept)
