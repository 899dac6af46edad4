"""A folder of documents → an index, by the code that the cluster runs; only the bucket is a folder."""

import hashlib
from datetime import UTC, datetime
from pathlib import Path

from functions.embed_rebuild.rebuild import rebuild
from functions.index.embedder import Embedder
from functions.index.sources import Entry
from functions.index.store import IndexStore
from scripts.push_documents import documents

PREFIX = "documents/"


class FolderBucket:
    """The documents of a folder under the keys that an upload would give them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def listing(self) -> list[Entry]:
        """List the documents, by key."""
        files = [(file, file.read_bytes()) for file in documents(self._folder)]
        entries = (
            Entry(
                key=PREFIX + file.relative_to(self._folder).as_posix(),
                etag=hashlib.sha256(body).hexdigest(),
                size=len(body),
            )
            for file, body in files
        )
        return sorted(entries, key=lambda entry: entry.key)

    def fetch(self, entry: Entry) -> bytes | None:
        """Return a document; None when it is gone."""
        file = self._folder / entry.key.removeprefix(PREFIX)
        return file.read_bytes() if file.exists() else None


def build(folder: Path, embedder: Embedder, root: Path) -> IndexStore:
    """Build the index of `folder` in `root`."""
    store = IndexStore(root)
    rebuild(store, FolderBucket(folder), embedder, datetime.now(UTC))
    return store
