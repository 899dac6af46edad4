"""What `embed-rebuild` is told by its environment, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """Where documents, models and the index are."""

    bucket: str
    """`BUCKET`: the bucket that holds the documents. Required."""
    prefix: str
    """`DOCUMENTS_PREFIX`: keys under it are documents. Default `documents/`."""
    index_dir: Path
    """`INDEX_DIR`: the index's folder, shared with `inference`. Required."""
    model_cache_dir: Path
    """`MODEL_CACHE_DIR`: the model cache. Required."""
    chroma_url: str
    """`CHROMA_URL`: a Chroma server for the vectors. Empty, the default: Chroma is embedded, in `INDEX_DIR`."""
    embedder_digest: str
    """`EMBEDDER_DIGEST`: build for this embedder only. Default: the newest one in the cache, and
    those that have an index already."""
    threads: int
    """`EMBED_THREADS`: threads of one inference; 0, the default, lets ONNX Runtime choose."""
    backup_seconds: float
    """`INDEX_BACKUP_SECONDS`: how old the backup of the index may get before a rebuild makes another.
    Default 43200, so that the nightly rebuild always does."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read `environ`; KeyError names a variable that is missing."""
        return cls(
            bucket=environ["BUCKET"],
            prefix=environ.get("DOCUMENTS_PREFIX", "documents/"),
            index_dir=Path(environ["INDEX_DIR"]),
            model_cache_dir=Path(environ["MODEL_CACHE_DIR"]),
            chroma_url=environ.get("CHROMA_URL", ""),
            embedder_digest=environ.get("EMBEDDER_DIGEST", ""),
            threads=int(environ.get("EMBED_THREADS", "0")),
            backup_seconds=float(environ.get("INDEX_BACKUP_SECONDS", "43200")),
        )
