"""`python -m warmup.node`: this node has in its page cache what the next start would read.

The newest two releases of each model in the cache (one serves, the other is its candidate or the way
back): their prepared forms and tokenizers. They are read again and again, since the kernel
forgets what nobody reads; nothing is locked, so whoever needs the memory gets it. What is not
there, or is no record of a release, is passed over.

MODEL_CACHE_DIR: the cache, default /models. WARM_SECONDS: between two rounds, default 60.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from warmup import readahead

KEPT = 2
WANTED = ("tokenizer.json", "config.json", "onnx/*")


def files(root: Path) -> Iterator[Path]:
    """Yield the files to have in memory, those of the newest releases first."""
    for folder in sorted((root / "versions").glob("*")):
        records = sorted(folder.glob("*.json"), key=_written, reverse=True)
        for record in records[:KEPT]:
            if digest := _digest(record):
                entry = root / "entries" / digest.removeprefix("sha256:")
                for pattern in WANTED:
                    yield from sorted(entry.glob(pattern))


def _written(record: Path) -> float:
    try:
        return record.stat().st_mtime
    except OSError:
        return 0.0  # pruned a moment ago


def _digest(record: Path) -> str:
    try:
        return str(json.loads(record.read_text(encoding="utf-8"))["digest"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def main() -> None:
    """Go round until told to end."""
    root = Path(os.environ.get("MODEL_CACHE_DIR", "/models"))
    pause = float(os.environ.get("WARM_SECONDS", "60"))
    while True:
        readahead.fill(files(root))
        time.sleep(pause)


if __name__ == "__main__":
    main()
