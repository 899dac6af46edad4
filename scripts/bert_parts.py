"""What a BERT consists of, at any size: its configuration, and the names and shapes of its weights."""

from collections.abc import Sequence
from dataclasses import dataclass

Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Sizes:
    """The numbers that make one BERT larger than another."""

    hidden: int
    layers: int
    heads: int
    inner: int
    positions: int
    words: int


def config(sizes: Sizes, tags: Sequence[str], architecture: str) -> dict[str, object]:
    """Return the contents of `config.json`."""
    return {
        "model_type": "bert",
        "architectures": [architecture],
        "hidden_act": "gelu",
        "hidden_size": sizes.hidden,
        "intermediate_size": sizes.inner,
        "layer_norm_eps": 1e-12,
        "max_position_embeddings": sizes.positions,
        "num_attention_heads": sizes.heads,
        "num_hidden_layers": sizes.layers,
        "type_vocab_size": 2,
        "vocab_size": sizes.words,
        "pad_token_id": 0,
        "id2label": {str(number): tag for number, tag in enumerate(tags)},
        "label2id": {tag: number for number, tag in enumerate(tags)},
    }


def dense(sizes: Sizes, labels: int, prefix: str = "bert.") -> dict[str, Shape]:
    """Return the shapes of everything but the layer norms; the classifier has no prefix."""
    hidden, inner = sizes.hidden, sizes.inner
    shapes: dict[str, Shape] = {
        f"{prefix}embeddings.word_embeddings.weight": (sizes.words, hidden),
        f"{prefix}embeddings.position_embeddings.weight": (sizes.positions, hidden),
        f"{prefix}embeddings.token_type_embeddings.weight": (2, hidden),
        "classifier.weight": (labels, hidden),
        "classifier.bias": (labels,),
    }
    layer = {
        **{f"attention.self.{part}": (hidden, hidden) for part in ("query", "key", "value")},
        "attention.output.dense": (hidden, hidden),
        "intermediate.dense": (inner, hidden),
        "output.dense": (hidden, inner),
    }
    for base in _layers(sizes, prefix):
        for name, size in layer.items():
            shapes |= {f"{base}.{name}.weight": size, f"{base}.{name}.bias": size[:1]}
    return shapes


def norms(sizes: Sizes, prefix: str = "bert.") -> list[str]:
    """Return the names of the layer norms; each has a weight and a bias of the hidden size."""
    names = [f"{prefix}embeddings.LayerNorm"]
    for base in _layers(sizes, prefix):
        names += [f"{base}.attention.output.LayerNorm", f"{base}.output.LayerNorm"]
    return names


def _layers(sizes: Sizes, prefix: str) -> list[str]:
    return [f"{prefix}encoder.layer.{number}" for number in range(sizes.layers)]
