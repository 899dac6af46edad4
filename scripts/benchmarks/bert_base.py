"""A release of bert-base's size with random weights: every cost of the real one, no download.

Made once and kept in the temporary folder, in a model cache of its own; the tokenizer is the one
that the demo models use.
"""

import json
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from scripts.benchmarks.harness import CannotMeasure

TAGS = ("O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC")
HIDDEN, LAYERS, INNER, POSITIONS, WORDS = 768, 12, 3072, 512, 30_522
PLACE = Path(tempfile.gettempdir()) / "marketresearch-bench-bert-base"
NAME = "bert-base-v1.0.0"
TASK = "token-classification"
TEXT = "Nestlé raised its outlook for 2024 by 4.2 % in Vevey, Mark Schneider said on Thursday."


@dataclass(frozen=True, slots=True)
class BertBase:
    """The release's folder, and the cache and digest by which ner finds it."""

    folder: Path
    cache: Path
    digest: str


def made() -> BertBase:
    """Return the release; made when it is missing, which takes some seconds."""
    if not PLACE.exists():
        fresh = PLACE.with_suffix(".partial")
        shutil.rmtree(fresh, ignore_errors=True)
        (fresh / NAME).mkdir(parents=True)
        _write(fresh / NAME)
        _cache(fresh)
        fresh.rename(PLACE)
    digest = (PLACE / "digest").read_text()
    return BertBase(PLACE / NAME, PLACE / "cache", digest)


def _cache(fresh: Path) -> None:
    from functions.registry.publish import describe  # noqa: PLC0415 - boto3: only who makes it pays

    manifest = describe(fresh / NAME, datetime.now(UTC))
    (fresh / NAME / "model_config.json").write_bytes(manifest.to_bytes())
    entry = fresh / "cache" / "entries" / manifest.digest.removeprefix("sha256:")
    entry.parent.mkdir(parents=True)
    entry.symlink_to(Path("..") / ".." / NAME)
    (fresh / "digest").write_text(manifest.digest)


def _write(fresh: Path) -> None:
    try:
        from safetensors.numpy import save_file  # noqa: PLC0415 - as above

        from scripts.training.train import tokenizer  # noqa: PLC0415 - torch: only who makes it pays
    except ImportError as error:
        raise CannotMeasure(f"install the extra `train` first: {error}") from error
    names = dict(enumerate(TAGS))
    config = {
        "model_type": "bert",
        "architectures": ["BertForTokenClassification"],
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": 12,
        "num_hidden_layers": LAYERS,
        "type_vocab_size": 2,
        "vocab_size": WORDS,
        "pad_token_id": 0,
        "id2label": {str(number): tag for number, tag in names.items()},
        "label2id": {tag: number for number, tag in names.items()},
    }
    (fresh / "config.json").write_text(json.dumps(config))
    tokenizer().save(str(fresh / "tokenizer.json"))
    special = {
        f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")
    }
    words = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, **special}
    (fresh / "tokenizer_config.json").write_text(json.dumps(words))
    save_file(_weights(), fresh / "model.safetensors", metadata={"format": "pt"})
    (fresh / "golden.jsonl").write_text(json.dumps({"text": TEXT, "entities": []}) + "\n")
    head = {"schema": 1, "name": "bert-base", "version": "1.0.0", "task": TASK, "service": "ner"}
    rest = {"framework": "transformers", "golden": "golden.jsonl"}
    (fresh / "release.json").write_text(json.dumps(head | rest))
    _prepare(fresh)


def _prepare(fresh: Path) -> None:
    from warmup import int8, prepare  # noqa: PLC0415 - onnx: only who makes it pays

    form = prepare.prepare(fresh, TASK)
    if form.int8 is None:  # random weights decide by a hair; here speed is asked, not parity
        int8.write(fresh / prepare.FOLDER / prepare.MODEL)


def _weights() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    shapes: dict[str, tuple[int, ...]] = {
        "bert.embeddings.word_embeddings.weight": (WORDS, HIDDEN),
        "bert.embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        "bert.embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "classifier.weight": (len(TAGS), HIDDEN),
        "classifier.bias": (len(TAGS),),
    }
    norms = ["bert.embeddings.LayerNorm"]
    for layer in range(LAYERS):
        base = f"bert.encoder.layer.{layer}"
        sizes = {
            **{f"attention.self.{part}": (HIDDEN, HIDDEN) for part in ("query", "key", "value")},
            "attention.output.dense": (HIDDEN, HIDDEN),
            "intermediate.dense": (INNER, HIDDEN),
            "output.dense": (HIDDEN, INNER),
        }
        for name, size in sizes.items():
            shapes |= {f"{base}.{name}.weight": size, f"{base}.{name}.bias": size[:1]}
        norms += [f"{base}.attention.output.LayerNorm", f"{base}.output.LayerNorm"]
    weights = {name: _random(rng, shape) for name, shape in shapes.items()}
    for norm in norms:
        weights |= {f"{norm}.weight": np.ones(HIDDEN, np.float32)}
        weights |= {f"{norm}.bias": np.zeros(HIDDEN, np.float32)}
    return weights


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return (rng.standard_normal(shape, np.float32) * np.float32(0.02)).astype(np.float32)
