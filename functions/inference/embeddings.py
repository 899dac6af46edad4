"""Texts → vectors for clients: the model that the index is searched with. Blocking.

A text that is longer than the model reads is refused: a vector of its beginning would be taken for
one of the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding

from functions.index.embedder import Embedder
from functions.index.generation import Vectors
from functions.runtime.errors import Invalid

MODEL = "embedder"
MOST_TEXTS = 256


@dataclass(frozen=True, slots=True)
class Embedded:
    """A row a text, and how many tokens were read in all."""

    vectors: Vectors
    tokens: int


def model_name(embedder: Embedder) -> str:
    """Return the name of the embedder's release, such as `embedder-v1.0.0`."""
    return f"{MODEL}-v{embedder.version}"


def embed(embedder: Embedder, texts: Sequence[str]) -> Embedded:
    """Embed; raises Invalid for a text that does not fit."""
    encoded = embedder.tokenizer.encode_batch(list(texts))
    for place, one in enumerate(encoded):
        if one.overflowing:
            raise Invalid(f"text {place} has {_tokens(one)} tokens, the model reads {len(one)}")
    return Embedded(embedder.embed(texts), sum(map(len, encoded)))


def count_tokens(embedder: Embedder, text: str) -> int:
    """Return how many tokens the embedder would need for the whole text."""
    return _tokens(embedder.tokenizer.encode(text))


def _tokens(encoded: Encoding) -> int:
    """Count the tokens that were cut off, too."""
    return len(encoded.ids) + sum(len(rest.ids) for rest in encoded.overflowing)
