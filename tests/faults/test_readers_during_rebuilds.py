"""Two builders race over a corpus that keeps changing; a reader sees whole generations only.

Version v of the corpus has 10 + v documents that name it: whoever sees two versions at once, too few
documents, or a size that is not the number of chunks, has seen a half-built index.
"""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from functions.index.metrics import tell_size
from functions.index.store import IndexStore
from functions.inference.retrieve import Index, Searcher
from functions.inference.schema import Filters
from tests.support.index import told_size

DIGEST = "sha256:" + "1" * 64
VERSIONS = 6
BUILDER = """
import hashlib, sys
from datetime import UTC, datetime
from pathlib import Path
import chromadb, numpy as np
from functions.embed_rebuild.rebuild import rebuild
from functions.index.sources import Entry
from functions.index.store import Busy, IndexStore, Superseded

root, versions = Path(sys.argv[1]), int(sys.argv[2])

class Embedder:
    digest, version, dimension = "sha256:" + "1" * 64, "1.0.0", 8
    def embed(self, texts):
        seeds = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts]
        rows = np.array([np.random.default_rng(s).normal(size=8) for s in seeds], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

class Bucket:
    def __init__(self, version):
        self.version = version
    def listing(self):
        return [Entry(f"documents/{n}.txt", str(self.version), 1) for n in range(10 + self.version)]
    def fetch(self, entry):
        return f"Document {entry.key} of version {self.version} says something.".encode()

for version in range(1, versions + 1):
    while True:
        try:
            rebuild(IndexStore(root), Bucket(version), Embedder(), datetime.now(UTC))
        except (Busy, Superseded):
            continue
        break
"""


def builder(root: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", BUILDER, str(root), str(VERSIONS)]
    return subprocess.Popen(command, env={"PYTHONPATH": str(Path.cwd()), "PATH": ""})


def check(searcher: Searcher) -> int:
    """Check that the generation is whole; return its version."""
    found = [chunk.text.split() for chunk in searcher.generation.content.chunks]
    (version,) = {int(words[4]) for words in found}
    assert len(found) == 10 + version == searcher.generation.manifest.chunks
    query = np.full(8, 8**-0.5, dtype=np.float32)
    assert sorted(searcher.rank(query, 99, Filters())) == list(range(10 + version))
    return version


@pytest.mark.parametrize("search", ["exact", "chroma"])
def test_a_reader_never_sees_a_half_built_index(tmp_path: Path, search: str) -> None:
    store = IndexStore(tmp_path)
    index = Index(store, DIGEST, search)
    tell_size(lambda: store.size(DIGEST))
    seen, sizes = set[int](), set[float]()
    builders = [builder(tmp_path), builder(tmp_path)]
    deadline = time.monotonic() + 120
    while any(one.poll() is None for one in builders):
        assert time.monotonic() < deadline
        searcher = index.searcher()
        if searcher is not None:
            seen.add(check(searcher))
        sizes.add(told_size())
    index.close()
    assert [one.returncode for one in builders] == [0, 0]
    assert len(seen) > 1
    assert sizes <= {0, *range(11, 11 + VERSIONS)}
    assert told_size() == store.size(DIGEST) == 10 + VERSIONS
    assert list((tmp_path / "generations").glob(".building-*")) == []
    assert len(list((tmp_path / "generations").iterdir())) <= 3
