"""What `inference` can have begun before it is imported: `ner` wakes, and the embedder is opened.

`ner` is knocked at first of all, so that both start at once: the first question needs both.
"""

import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from functions.registry.cache import ModelCache
from functions.runtime import backends
from functions.runtime.ahead import Step

WAKE_SECONDS = 30.0


def knock(environ: Mapping[str, str]) -> None:
    """Ask `ner` whether it is ready, which wakes it; without a model there will be no question."""
    if environ.get("MODEL_DIGEST") and environ.get("NER_URL"):
        url = f"{environ['NER_URL'].rstrip('/')}/health/ready"
        threading.Thread(target=_ask, args=[url], name="knock", daemon=True).start()


def steps(environ: Mapping[str, str]) -> Iterator[Step]:
    """Open the embedder that the settings name."""
    if digest := environ.get("MODEL_DIGEST"):
        folder = ModelCache(Path(environ["MODEL_CACHE_DIR"])).entry_path(digest)
        yield from backends.steps(folder, int(environ.get("EMBED_THREADS", "0")))


def _ask(url: str) -> None:
    with suppress(OSError, ValueError):
        urllib.request.urlopen(url, timeout=WAKE_SECONDS).close()  # noqa: S310 - the operator's own address
