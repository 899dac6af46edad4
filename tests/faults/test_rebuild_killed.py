"""kill -9 at any file operation of a rebuild: readers see the old generation whole, or the new one.

The victim kills itself at its n-th file operation, so each run dies somewhere else and a failure can
be run again.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from functions.index.store import IndexStore

DIGEST = "sha256:" + "1" * 64
POINTS = 8
VICTIM = """
import hashlib, os, signal, sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
import chromadb, numpy as np
from functions.embed_rebuild import vectors
from functions.embed_rebuild.rebuild import rebuild
from functions.index.sources import Entry
from functions.index.store import IndexStore

root, version, kill_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
vectors.BATCH = 4
OPERATIONS = ("open", "os.rename", "os.mkdir", "os.rmdir", "os.remove")
count = embedded = 0

class Embedder:
    digest, version, dimension = "sha256:" + "1" * 64, "1.0.0", 8
    def embed(self, texts):
        global embedded
        embedded += len(texts)
        seeds = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts]
        rows = np.array([np.random.default_rng(s).normal(size=8) for s in seeds], dtype=np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

class Bucket:
    def listing(self):
        return [Entry(f"documents/{n}.txt", version, 1) for n in range(10)]
    def fetch(self, entry):
        number = entry.key.removeprefix("documents/").removesuffix(".txt")
        return f"Document {number} of version {version} says something.".encode()

def watch(event, args):
    global count
    if event in OPERATIONS:
        count += 1
        if count == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(watch)
rebuild(IndexStore(root), Bucket(), Embedder(), datetime.now(UTC))
print('{"operations": %d, "embedded": %d}' % (count, embedded))
"""


def run(root: Path, version: str, kill_at: int = 0) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", VICTIM, str(root), version, str(kill_at)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PYTHONPATH": str(Path.cwd()), "PATH": ""},
    )


def texts(root: Path) -> set[str]:
    """What a reader finds in the current generation, opened as a reader does."""
    opened = IndexStore(root).open(DIGEST)
    return set() if opened is None else {chunk.text for chunk in opened.content.chunks}


def version_of(found: set[str]) -> str:
    (version,) = {text.split()[4] for text in found}
    return version


@pytest.fixture(scope="module")
def operations(tmp_path_factory: pytest.TempPathFactory) -> int:
    """How many file operations a rebuild over an earlier generation has."""
    root = tmp_path_factory.mktemp("counted")
    assert run(root, "old").returncode == 0
    done = run(root, "new")
    assert done.returncode == 0, done.stderr
    return int(json.loads(done.stdout)["operations"])


@pytest.mark.parametrize("point", range(POINTS))
def test_a_killed_rebuild_hurts_no_reader_and_the_next_one_ends_it(
    tmp_path: Path, operations: int, point: int
) -> None:
    assert run(tmp_path, "old").returncode == 0
    kill_at = 1 + point * (operations - 1) // (POINTS - 1)
    assert run(tmp_path, "new", kill_at).returncode == -signal.SIGKILL
    found = texts(tmp_path)
    assert len(found) == 10
    assert version_of(found) in {"old", "new"}
    again = run(tmp_path, "new")
    assert again.returncode == 0, again.stderr
    assert version_of(texts(tmp_path)) == "new"
    assert list((tmp_path / "generations").glob(".building-*")) == []


def test_what_was_embedded_before_the_kill_is_not_embedded_again(
    tmp_path: Path, operations: int
) -> None:
    assert run(tmp_path, "old").returncode == 0
    late = operations * 3 // 4
    assert run(tmp_path, "new", late).returncode == -signal.SIGKILL
    assert json.loads(run(tmp_path, "new").stdout)["embedded"] == 0
