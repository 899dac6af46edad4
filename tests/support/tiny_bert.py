"""A random BERT of a few kilobytes: every part of a release, none of its cost or its knowledge."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from scripts.bert_parts import Sizes, config, dense, norms

HIDDEN = 32
LABELS = ("PER", "ORG", "LOC")
TAGS = ("O", *(f"{prefix}-{label}" for label in LABELS for prefix in "BI"))
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,%$€半導体"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SIZES = Sizes(
    hidden=HIDDEN, layers=2, heads=4, inner=64, positions=64, words=len(SPECIAL) + 2 * len(LETTERS)
)


def write_ner(folder: Path, seed: int = 0) -> Path:
    """Write a token-classification checkpoint with its tokenizer and a golden set of two."""
    folder.mkdir(parents=True)
    weights = _weights(np.random.default_rng(seed), "bert.")
    _write(folder, weights, "BertForTokenClassification")
    golden = [
        {"text": "Anna met Bosch in Rome.", "entities": [{"start": 0, "end": 4, "label": "PER"}]}
    ]
    lines = [*golden, {"text": "Nothing.", "entities": []}]
    (folder / "golden.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    head = {"schema": 1, "name": "ner", "version": "1.0.0", "task": "token-classification"}
    rest = {"framework": "transformers", "service": "ner", "golden": "golden.jsonl"}
    (folder / "release.json").write_text(json.dumps({**head, **rest}))
    return folder


def write_embedder(folder: Path, seed: int = 0) -> Path:
    """Write an encoder checkpoint; it is pooled by the mean and scaled to length one."""
    folder.mkdir(parents=True)
    weights = _weights(np.random.default_rng(seed), "")
    without = {name: value for name, value in weights.items() if "classifier" not in name}
    _write(folder, without, "BertModel")
    return folder


def write_tokenizer(path: Path) -> None:
    """Write a word-piece tokenizer of single letters, normalised as BERT's uncased one is."""
    pieces = [*SPECIAL, *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))  # noqa: S106 - a token of text
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(SPECIAL))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    tokenizer.save(str(path))


def _write(folder: Path, weights: dict[str, np.ndarray], architecture: str) -> None:
    (folder / "config.json").write_text(json.dumps(config(SIZES, TAGS, architecture)))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_tokenizer(folder / "tokenizer.json")


def _weights(rng: np.random.Generator, prefix: str) -> dict[str, np.ndarray]:
    shapes = dense(SIZES, len(TAGS), prefix)
    for norm in norms(SIZES, prefix):
        shapes |= {f"{norm}.weight": (HIDDEN,), f"{norm}.bias": (HIDDEN,)}
    return {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
