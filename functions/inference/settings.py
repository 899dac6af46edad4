"""What `inference` is told by its environment, read once."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from functions.inference.generate import Options
from functions.inference.own_model import OwnOptions


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the model, the index and `ner` are."""

    model_cache_dir: Path
    """`MODEL_CACHE_DIR`: the model cache. Required."""
    chroma_url: str
    """`CHROMA_URL`: a Chroma server for the vectors. Empty, the default: Chroma is embedded, in `INDEX_DIR`."""
    model_digest: str
    """`MODEL_DIGEST`: the embedder to serve with; set by a rollout. Empty: none yet."""
    index_dir: Path
    """`INDEX_DIR`: the index's folder; only read. Required."""
    search: str
    """`INDEX_SEARCH`: `exact`, `chroma`, or `auto`, the default: exact up to 50,000 chunks."""
    index_wait: float
    """`INDEX_WAIT_SECONDS`: how long a start waits for the index before it begins anew. Default 5."""
    ner_url: str
    """`NER_URL`: where `ner` answers. Empty: answers carry no entities."""
    ner_timeout: float
    """`NER_TIMEOUT_SECONDS`: how long to wait for `ner`, its cold start included. Default 10."""
    threads: int
    """`EMBED_THREADS`: threads of one inference; 0, the default, lets ONNX Runtime choose."""

    own: OwnOptions | None
    """`ANSWERER_…`: a model of our own as answerer, see `own_model.py`. None: there is none."""
    openai: Options | None
    """`OPENAI_…`: a chat model as answerer, see `generate.py`. None: there is none."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Settings":
        """Read `environ`; KeyError names a variable that is missing."""
        return cls(
            model_cache_dir=Path(environ["MODEL_CACHE_DIR"]),
            chroma_url=environ.get("CHROMA_URL", ""),
            model_digest=environ.get("MODEL_DIGEST", ""),
            index_dir=Path(environ["INDEX_DIR"]),
            search=environ.get("INDEX_SEARCH", "auto"),
            index_wait=float(environ.get("INDEX_WAIT_SECONDS", "5")),
            ner_url=environ.get("NER_URL", "").rstrip("/"),
            ner_timeout=float(environ.get("NER_TIMEOUT_SECONDS", "10")),
            threads=int(environ.get("EMBED_THREADS", "0")),
            own=OwnOptions.from_env(environ),
            openai=Options.from_env(environ),
        )
