"""A model cache with one tiny random ner release in it."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from functions.registry.publish import describe
from tests.support.tiny_bert import write_ner
from warmup import bert_graph, checkpoint


def tiny_cache(root: Path, *, prepared: bool = True) -> tuple[Path, str]:
    """Make a release below `root`, put it into a cache; return the cache and the digest."""
    folder = write_ner(root / "ner-v1.0.0")
    if prepared:
        (folder / "onnx").mkdir()
        model = folder / "onnx" / "model.onnx"
        bert_graph.write(checkpoint.read(folder), "token-classification", model)
    manifest = describe(folder, datetime.now(UTC))
    entry = root / "cache" / "entries" / manifest.digest.removeprefix("sha256:")
    shutil.copytree(folder, entry)
    (entry / "model_config.json").write_bytes(manifest.to_bytes())
    return root / "cache", manifest.digest
