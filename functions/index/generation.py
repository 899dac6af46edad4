"""A generation on disk: immutable once published.

```
generations/<id>/generation.json   what it is: embedder, chunker, counts, the state of the corpus
                 sources.jsonl     the objects it was built from, see sources.py
                 chunks.jsonl      one chunk a line, in the order of the vectors
                 vectors.npy       float32, one unit vector a chunk: exact search maps it
                 sentences.npy     float16, one unit vector a quotable sentence, chunk after chunk
                 borders.npy       int64, where each chunk's sentences begin, and the end
                 chroma/           the same vectors in Chroma, for corpora too large for exact search
```
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from functions.index.chunks import Chunk

MANIFEST, CHUNKS, CHROMA = "generation.json", "chunks.jsonl", "chroma"
VECTORS, SENTENCES, BORDERS = "vectors.npy", "sentences.npy", "borders.npy"
BUILDING = ".building-"
"""How the folder of a generation begins that is not finished; no reader looks there."""
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that could not be read, and why."""

    document: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation says of itself.

    `corpus` is the digest of the documents' keys and ETags it was built from, `reader` and `chunker` say
    how these were read and cut, `recall` is the share of
    exact search's first ten that Chroma found, `created_at` RFC 3339.
    """

    generation: str
    embedder: str
    embedder_version: str
    chunker: str
    corpus: str
    documents: int
    chunks: int
    embedded: int
    recall: float
    created_at: str
    skipped: tuple[Skipped, ...] = ()
    reader: str = ""


@dataclass(frozen=True, slots=True)
class Content:
    """What is searched.

    Row i of `vectors` is chunk i's; its sentences' rows are `borders[i]` up to `borders[i + 1]`.
    """

    chunks: tuple[Chunk, ...]
    vectors: Vectors
    borders: NDArray[np.int64]
    sentences: NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Generation:
    """An opened generation; its arrays are read-only memory maps."""

    manifest: Manifest
    path: Path
    content: Content


def name_of(folder: Path) -> str:
    """Return the generation's name, which its folder has from the beginning."""
    return folder.name.removeprefix(BUILDING)


def write(path: Path, manifest: Manifest, content: Content) -> None:
    """Write everything but Chroma's part into `path`, the manifest last."""
    with (path / CHUNKS).open("w", encoding="utf-8") as lines:
        for chunk in content.chunks:
            lines.write(json.dumps(chunk.fields(), ensure_ascii=False) + "\n")
    np.save(path / VECTORS, content.vectors)
    np.save(path / BORDERS, content.borders)
    np.save(path / SENTENCES, content.sentences)
    (path / MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n", encoding="utf-8")


def read_manifest(path: Path) -> Manifest:
    """Read what a generation says of itself."""
    fields = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    fields["skipped"] = tuple(Skipped(**skipped) for skipped in fields["skipped"])
    return Manifest(**fields)


def read(path: Path) -> Generation:
    """Open a generation; raises ValueError when its parts do not belong together."""
    manifest = read_manifest(path)
    with (path / CHUNKS).open(encoding="utf-8") as lines:
        chunks = tuple(_chunk(line) for line in lines)
    mode: Literal["r"] | None = "r" if chunks else None  # an empty file cannot be mapped
    arrays = [np.load(path / name, mmap_mode=mode) for name in (VECTORS, BORDERS, SENTENCES)]
    content = Content(chunks, arrays[0], arrays[1], arrays[2])
    if not len(chunks) == len(content.vectors) == len(content.borders) - 1 == manifest.chunks:
        raise ValueError(f"generation {manifest.generation} is damaged: its counts disagree")
    return Generation(manifest, path, content)


def _chunk(line: str) -> Chunk:
    fields = json.loads(line)
    fields["tags"] = tuple(fields["tags"])
    return Chunk(**fields)
