"""Texts laid side by side in rows, so that a batch has hardly any padding. Pure.

A row holds several texts, each told from its neighbours by its number; the encoder lets a token see
its own text alone. So what is answered together need not be of like length, and nobody waits for
company. Rows are as equal as can be: what is left at their ends is all the padding there is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from functions.runtime.batching import fill
from functions.runtime.encoder import Tokens

ROWS = (128, 64)
"""Tokens that a row is tried to hold about: shorter rows cost less attention and more padding."""
DOUBLES, OVERHEAD = 2200, 16
"""Tokens of a row at which attention costs as much as all the rest, and what a batch costs beside
its tokens, in tokens: of a model of bert-base's size, on one core."""
SHORTER = 6
"""How many batches are weighed: the largest and those that leave one more of its texts behind."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a text lies: its row, its number there, its first token and the one behind its last."""

    row: int
    text: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Packed:
    """A batch: [rows, length]; `texts` is 0 for padding and numbers a row's texts from 1."""

    ids: Tokens
    texts: Tokens
    places: Sequence[Place]


def pack(sequences: Sequence[Sequence[int]], *, share: bool) -> Packed:
    """Lay out token sequences; `places` are in their order. Without `share`, each has its row."""
    sizes = [len(one) for one in sequences]
    rows = share_rows(sizes) if share else [[number] for number in range(len(sizes))]
    length = max(sum(sizes[number] for number in row) for row in rows)
    ids = np.zeros((len(rows), length), np.int64)
    texts = np.zeros_like(ids)
    places = dict(_places(rows, sizes))
    for number, place in places.items():
        ids[place.row, place.start : place.end] = sequences[number]
        texts[place.row, place.start : place.end] = place.text
    return Packed(ids, texts, [places[number] for number in range(len(sizes))])


def take(sizes: Sequence[int], most: int) -> int:
    """Return how many of these sizes, in order, to run together: up to `most` tokens, one at least.

    One text more may make a row that all others must be padded to: what has the least padding for
    its tokens is taken.
    """
    full = fill(sizes, most)
    counts = range(full, max(0, full - SHORTER), -1)
    return min(counts, key=lambda count: _waste(sizes[:count]))


def share_rows(sizes: Sequence[int]) -> list[list[int]]:
    """Return the numbers of the texts of each row, for the cheapest number of rows."""
    least = {max(1, sum(sizes) // length) for length in ROWS}
    counts = {min(count + more, len(sizes)) for count in least for more in (0, 1)}
    return min((_spread(sizes, count) for count in counts), key=lambda rows: _cost(rows, sizes))


def _spread(sizes: Sequence[int], count: int) -> list[list[int]]:
    """Spread texts over `count` rows: the longest first, each to the row that is shortest yet."""
    rows, lengths = [list[int]() for _ in range(count)], [0] * count
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        shortest = lengths.index(min(lengths))
        rows[shortest].append(number)
        lengths[shortest] += sizes[number]
    return rows


def _cost(rows: Sequence[Sequence[int]], sizes: Sequence[int]) -> float:
    """Return what the rows cost, in tokens: all of them, padding too, and attention."""
    length = max(sum(sizes[number] for number in row) for row in rows)
    return OVERHEAD + len(rows) * length * (1 + length / DOUBLES)


def _waste(sizes: Sequence[int]) -> float:
    """Return what these texts cost together, a token."""
    return _cost(share_rows(sizes), sizes) / sum(sizes)


def _places(rows: Sequence[Sequence[int]], sizes: Sequence[int]) -> Iterator[tuple[int, Place]]:
    for row, numbers in enumerate(rows):
        start = 0
        for text, number in enumerate(numbers, 1):
            yield number, Place(row, text, start, start + sizes[number])
            start += sizes[number]
