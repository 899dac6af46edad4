"""Sentences as tensors: tokens with BIO tags, batches of like length, the same at every run.

Step n of a recipe always sees the same batch, whatever happened before it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from random import Random
from typing import Any

import numpy as np
import numpy.typing as npt
from tokenizers import Encoding, Tokenizer

from scripts.training.examples import TAGS, Example
from scripts.training.recipes import Recipe
from scripts.training.sentences import chunk, corrupt

IGNORED = -100  # torch's cross entropy leaves such tokens out
STEPS_A_CHUNK = 32

Array = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Batch:
    """[batch, sequence] each."""

    input_ids: Array
    attention_mask: Array
    labels: Array


def batches(recipe: Recipe, tokenizer: Tokenizer, first_step: int) -> Iterator[Batch]:
    """Yield the batches of a recipe, from step `first_step` on."""
    make = partial(chunk, recipe.seed, change=corrupt if recipe.corrupted else None)
    for index in range(first_step // STEPS_A_CHUNK, -(-recipe.steps // STEPS_A_CHUNK)):
        examples = make(index, STEPS_A_CHUNK * recipe.batch)
        made = _grouped(examples, tokenizer, recipe.batch, Random(index))  # noqa: S311 - an order
        skipped = max(0, first_step - index * STEPS_A_CHUNK)
        yield from made[skipped : recipe.steps - index * STEPS_A_CHUNK]


def _grouped(examples: list[Example], tokenizer: Tokenizer, size: int, rng: Random) -> list[Batch]:
    """Batch sentences of like length, so that little of a batch is padding."""
    encodings = tokenizer.encode_batch([example.text for example in examples])
    pairs = sorted(zip(encodings, examples, strict=True), key=lambda pair: len(pair[0].ids))
    made = [_batch(pairs[start : start + size]) for start in range(0, len(pairs), size)]
    rng.shuffle(made)
    return made


def _batch(pairs: list[tuple[Any, Example]]) -> Batch:
    shape = len(pairs), max(len(encoding.ids) for encoding, _ in pairs)
    ids, mask, labels = (
        np.zeros(shape, np.int64),
        np.zeros(shape, np.int64),
        np.full(shape, IGNORED),
    )
    for row, (encoding, example) in enumerate(pairs):
        length = len(encoding.ids)
        ids[row, :length] = encoding.ids
        mask[row, :length] = 1
        labels[row, :length] = tags(encoding, example)
    return Batch(ids, mask, labels)


def tags(encoding: Encoding, example: Example) -> list[int]:
    """Tag every piece of a word: B- for the first of an entity, I- for the others."""
    found = [IGNORED if special else 0 for special in encoding.special_tokens_mask]
    for span in example.spans:
        inside = [
            index
            for index, (start, end) in enumerate(encoding.offsets)
            if start >= span.start and end <= span.end and end > start
        ]
        for index in inside:
            prefix = "B" if index == inside[0] else "I"
            found[index] = TAGS.index(f"{prefix}-{span.label}")
    return found
