"""What `inference` needs to answer: the real embedder in a cache, and an index of a few notes."""

from pathlib import Path

from functions.index.embedder import open_embedder
from scripts.corpus_index import build
from scripts.environment import ROOT
from tests.support.index import fill_cache


def index_of_notes(root: Path, models: Path) -> dict[str, str]:
    """Fill `root` and return the environment that leads `inference` there."""
    release = models / "embedder-v1.0.0"
    digest = fill_cache(root / "models", release)
    notes = root / "notes"
    notes.mkdir()
    for note in (ROOT / "scripts/corpus").glob("ebikes-*.md"):
        (notes / note.name).write_bytes(note.read_bytes())
    build(notes, open_embedder(release, digest, "1.0.0"), root / "index")
    return {
        "MODEL_CACHE_DIR": str(root / "models"),
        "MODEL_DIGEST": digest,
        "INDEX_DIR": str(root / "index"),
    }
