"""A random BERT of a few kilobytes: every part of a release, none of its cost or its knowledge."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 4, 64, 64
LABELS = ("PER", "ORG", "LOC")
TAGS = ("O", *(f"{prefix}-{label}" for label in LABELS for prefix in "BI"))
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789.,%$€半導体"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


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
    config = {
        "model_type": "bert",
        "architectures": [architecture],
        "hidden_act": "gelu",
        "hidden_size": HIDDEN,
        "intermediate_size": INNER,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": POSITIONS,
        "num_attention_heads": HEADS,
        "num_hidden_layers": LAYERS,
        "type_vocab_size": 2,
        "vocab_size": len(SPECIAL) + 2 * len(LETTERS),
        "pad_token_id": 0,
        "id2label": {str(number): tag for number, tag in enumerate(TAGS)},
        "label2id": {tag: number for number, tag in enumerate(TAGS)},
    }
    (folder / "config.json").write_text(json.dumps(config))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    write_tokenizer(folder / "tokenizer.json")


def _weights(rng: np.random.Generator, prefix: str) -> dict[str, np.ndarray]:
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}embeddings.word_embeddings.weight": (len(SPECIAL) + 2 * len(LETTERS), HIDDEN),
        f"{prefix}embeddings.position_embeddings.weight": (POSITIONS, HIDDEN),
        f"{prefix}embeddings.token_type_embeddings.weight": (2, HIDDEN),
        "classifier.weight": (len(TAGS), HIDDEN),
        "classifier.bias": (len(TAGS),),
    }
    norms = [f"{prefix}embeddings.LayerNorm"]
    for layer in range(LAYERS):
        base = f"{prefix}encoder.layer.{layer}"
        sizes = {
            **{f"attention.self.{part}": (HIDDEN, HIDDEN) for part in ("query", "key", "value")},
            "attention.output.dense": (HIDDEN, HIDDEN),
            "intermediate.dense": (INNER, HIDDEN),
            "output.dense": (HIDDEN, INNER),
        }
        for name, size in sizes.items():
            shapes |= {f"{base}.{name}.weight": size, f"{base}.{name}.bias": size[:1]}
        norms += [f"{base}.attention.output.LayerNorm", f"{base}.output.LayerNorm"]
    for norm in norms:
        shapes |= {f"{norm}.weight": (HIDDEN,), f"{norm}.bias": (HIDDEN,)}
    return {name: rng.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}
