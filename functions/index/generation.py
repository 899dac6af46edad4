"""A generation on disk: immutable once published.

```
generations/<id>/generation.json   what it is: embedder, chunker, counts, the state of the corpus
                 chunks.jsonl      one chunk a line, in the order of the vectors
                 vectors.npy       float32, one unit vector a chunk: exact search maps it
                 chroma/           the same vectors in Chroma, for corpora too large for exact search
```
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from functions.index.chunks import Chunk

MANIFEST, CHUNKS, VECTORS, CHROMA = "generation.json", "chunks.jsonl", "vectors.npy", "chroma"
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that could not be read, and why."""

    document: str
    reason: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a generation says of itself.

    `corpus` is the digest of the documents' keys and ETags it was built from, `recall` the share of
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


@dataclass(frozen=True, slots=True)
class Generation:
    """An opened generation; `vectors` is a read-only memory map."""

    manifest: Manifest
    path: Path
    chunks: tuple[Chunk, ...]
    vectors: Vectors


def write(path: Path, manifest: Manifest, chunks: Sequence[Chunk], vectors: Vectors) -> None:
    """Write everything but Chroma's part into `path`, the manifest last."""
    with (path / CHUNKS).open("w", encoding="utf-8") as lines:
        for chunk in chunks:
            lines.write(json.dumps(asdict(chunk), ensure_ascii=False) + "\n")
    np.save(path / VECTORS, vectors)
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
    vectors: Vectors = np.load(path / VECTORS, mmap_mode="r" if chunks else None)
    if not len(chunks) == len(vectors) == manifest.chunks:
        counts = f"{manifest.chunks} chunks, {len(chunks)} texts, {len(vectors)} vectors"
        raise ValueError(f"generation {manifest.generation} is damaged: {counts}")
    return Generation(manifest, path, chunks, vectors)


def _chunk(line: str) -> Chunk:
    fields = json.loads(line)
    fields["tags"] = tuple(fields["tags"])
    return Chunk(**fields)
