"""Where Chroma's part of a generation lies: in the generation's folder, or on a Chroma server.

Both hold a collection for each generation, which nobody changes once it is built. Embedded, a
collection begins as a copy of the one before and a reader opens a copy of its own, since Chroma's
folders are neither safe between processes nor open from a read-only volume. On a server it begins
empty, and everybody shares it. Whatever goes wrong with Chroma is Unavailable.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from functions.index import chroma
from functions.index.generation import CHROMA, name_of

READ_SECONDS = 5.0
"""How long a reader waits for a server's answer: somebody waits for the reader."""


class Home(Protocol):
    """Keeps the collections; a generation is named by its folder. Blocking."""

    def create(self, folder: Path, previous: Path | None) -> AbstractContextManager[Any]:
        """Make the collection of a generation that is being built, out of `previous` if that can be."""
        ...

    def open(self, folder: Path) -> AbstractContextManager[Any]:
        """Open a collection to search it."""
        ...

    def has(self, folder: Path) -> bool:
        """Tell whether the generation's collection is here."""
        ...

    def drop(self, folder: Path) -> None:
        """Remove the collection, if it is here."""
        ...


@dataclass(frozen=True, slots=True)
class Embedded:
    """Chroma's folders lie in those of the generations, and go with them."""

    @contextmanager
    def create(self, folder: Path, previous: Path | None) -> Iterator[Any]:
        """Begin with a copy of the collection before: to add what is new is many times quicker."""
        if previous is not None and self.has(previous):
            shutil.copytree(previous / CHROMA, folder / CHROMA)
        with chroma.embedded(folder / CHROMA) as client:
            yield chroma.collection(client, chroma.COLLECTION)

    @contextmanager
    def open(self, folder: Path) -> Iterator[Any]:
        """Open a copy of our own."""
        with tempfile.TemporaryDirectory(prefix="index-") as scratch:
            copy = Path(scratch) / CHROMA
            shutil.copytree(folder / CHROMA, copy)
            with chroma.embedded(copy) as client:
                yield chroma.collection(client, chroma.COLLECTION)

    def has(self, folder: Path) -> bool:
        """Look for the folder."""
        return (folder / CHROMA).is_dir()

    def drop(self, folder: Path) -> None:
        """Remove the folder."""
        shutil.rmtree(folder / CHROMA, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class Server:
    """A Chroma server; a collection is named after its generation."""

    url: str

    @contextmanager
    def create(self, folder: Path, previous: Path | None) -> Iterator[Any]:  # noqa: ARG002 - a server copies nothing
        """Begin anew, also where a builder died after it had begun."""
        self.drop(folder)
        with chroma.server(self.url) as client:
            yield chroma.collection(client, _name(folder))

    @contextmanager
    def open(self, folder: Path) -> Iterator[Any]:
        """Use the one that all share."""
        with chroma.server(self.url, READ_SECONDS) as client:
            yield chroma.existing(client, _name(folder))

    def has(self, folder: Path) -> bool:
        """Ask the server."""
        with chroma.server(self.url) as client:
            return chroma.exists(client, _name(folder))

    def drop(self, folder: Path) -> None:
        """Ask the server to forget it."""
        with chroma.server(self.url) as client:
            chroma.drop(client, _name(folder))


EMBEDDED = Embedded()


def home(url: str) -> Home:
    """Return the home at `url`; empty means in the generations' folders."""
    return Server(url) if url else EMBEDDED


def _name(folder: Path) -> str:
    return f"{chroma.COLLECTION}-{name_of(folder)}"
