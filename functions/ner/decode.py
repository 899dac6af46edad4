"""Tag scores of tokens → entities with character offsets into the text as it was sent.

A word is judged as a whole: its kind is the one that its pieces, together, find likeliest. A word
begins an entity when its first piece says so or when the word before is of another kind. Marks that
combine with an entity's last character belong to it. Pure.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from functions.runtime.encoder import Output

# Written out: a start does without importing numpy.typing.
Integers = np.ndarray[tuple[Any, ...], np.dtype[np.int64]]
Floats = np.ndarray[tuple[Any, ...], np.dtype[Any]]
Flags = np.ndarray[tuple[Any, ...], np.dtype[np.bool_]]


@dataclass(frozen=True, slots=True)
class Entity:
    """`text == whole[start:end]`; `score` is the mean probability of its words' kind."""

    text: str
    label: str
    score: float
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Pieces:
    """A text's tokens, without special ones: ids, character offsets, the word each belongs to."""

    ids: Sequence[int]
    offsets: Sequence[tuple[int, int]]
    words: Sequence[int]


class Tags:
    """The model's tags, such as `O, B-PER, I-PER`, in the order of its scores."""

    def __init__(self, tags: Sequence[str]) -> None:
        self.labels = sorted({tag[2:] for tag in tags if tag != "O"})
        self.outside = tags.index("O")
        kinds = ["O", *self.labels]
        self._begins = np.zeros((len(tags), len(kinds)), np.float32)
        self._inside = np.zeros_like(self._begins)
        for row, tag in enumerate(tags):
            prefix, _, label = tag.partition("-")
            table = self._begins if prefix == "B" else self._inside
            table[row, kinds.index(label or "O")] = 1

    def judge(self, logits: Output) -> tuple[Floats, Floats]:
        """Return probabilities by kind, and those of beginning a kind: [tokens, kinds] each."""
        raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
        shares = raised / raised.sum(axis=-1, keepdims=True)
        return shares @ (self._begins + self._inside), shares @ self._begins


def entities(text: str, pieces: Pieces, logits: Output, tags: Tags) -> list[Entity]:
    """Read the entities of `text`; `logits` has a row for each piece."""
    if not pieces.ids:
        return []
    kinds, begins = tags.judge(logits)
    starts = np.flatnonzero(np.diff(np.asarray(pieces.words), prepend=-1))
    ends = np.append(starts[1:], len(pieces.ids))
    means = np.add.reduceat(kinds, starts, axis=0) / (ends - starts)[:, None]
    kind = means.argmax(axis=-1)
    begun = begins[starts, kind] * 2 > kinds[starts, kind]
    return [
        _entity(
            text,
            (pieces.offsets[starts[first]][0], pieces.offsets[ends[last] - 1][1]),
            tags.labels[kind[first] - 1],
            float(means[first : last + 1, kind[first]].mean()),
        )
        for first, last in _runs(kind, begun)
    ]


def _runs(kind: Integers, begun: Flags) -> Iterator[tuple[int, int]]:
    """Yield first and last word of each entity."""
    first = -1
    for word, label in enumerate(kind):
        if first >= 0 and (label != kind[first] or begun[word]):
            yield first, word - 1
            first = -1
        if label and first < 0:
            first = word
    if first >= 0:
        yield first, len(kind) - 1


def _entity(text: str, span: tuple[int, int], label: str, score: float) -> Entity:
    start, end = span
    while end < len(text) and unicodedata.combining(text[end]):
        end += 1
    return Entity(text[start:end], label, round(score, 4), start, end)
