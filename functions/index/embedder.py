"""Texts → unit vectors, by an embedder release. Blocking: call it in a thread.

Texts run in batches sorted by their length in tokens, so that little of a batch is padding; a batch
is bounded by tokens, padding included, so memory does not grow with the input.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Encoding, Tokenizer

from functions.index.generation import Vectors
from functions.runtime.backends import open_encoder
from functions.runtime.encoder import Encoder
from functions.runtime.tokenizing import open_tokenizer

BATCH_TOKENS = 1024
DEFAULT_LENGTH = 256
"""Tokens a text is cut to where the release does not say."""


@dataclass(frozen=True, slots=True)
class Embedder:
    """An open embedder; `digest` says which release its vectors belong to."""

    digest: str
    version: str
    dimension: int
    tokenizer: Tokenizer
    encoder: Encoder

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Return one unit vector a text, in the order of `texts`."""
        encoded = self.tokenizer.encode_batch(list(texts))
        vectors: Vectors = np.empty((len(texts), self.dimension), dtype=np.float32)
        for batch in _batches([len(one) for one in encoded]):
            vectors[batch] = self._run([encoded[index] for index in batch])
        return vectors

    def _run(self, encoded: Sequence[Encoding]) -> Vectors:
        longest = max(len(one) for one in encoded)
        ids = np.zeros((len(encoded), longest), dtype=np.int64)
        mask = np.zeros_like(ids)
        for row, one in enumerate(encoded):
            ids[row, : len(one)] = one.ids
            mask[row, : len(one)] = 1
        return self.encoder.run(ids, mask, np.zeros_like(ids))


def open_embedder(folder: Path, digest: str, version: str, threads: int = 0) -> Embedder:
    """Open the release in `folder`; `threads` 0 leaves their number to the backend."""
    tokenizer = open_tokenizer(folder)
    tokenizer.enable_truncation(_longest(folder))
    tokenizer.no_padding()
    dimension = int(json.loads((folder / "config.json").read_text())["hidden_size"])
    return Embedder(digest, version, dimension, tokenizer, open_encoder(folder, threads))


def _longest(folder: Path) -> int:
    try:
        settings = json.loads((folder / "sentence_bert_config.json").read_text())
    except FileNotFoundError:
        return DEFAULT_LENGTH
    return int(settings["max_seq_length"])


def _batches(lengths: Sequence[int]) -> Iterator[list[int]]:
    batch: list[int] = []
    for index in sorted(range(len(lengths)), key=lengths.__getitem__):
        if batch and lengths[index] * (len(batch) + 1) > BATCH_TOKENS:
            yield batch
            batch = []
        batch.append(index)
    if batch:
        yield batch
