"""Texts of any length: windows of tokens that overlap, and which of them speaks for which token.

Each token is judged by the window in which it stands furthest from a border, and entities are read
from the joined judgements, so one on a border comes out once and whole. A text that fits one window
is judged by it alone. Windows begin and end between words. Pure.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, pairwise

import numpy as np

from functions.runtime.encoder import Output


@dataclass(frozen=True, slots=True)
class Window:
    """Tokens `start` to `end` are shown to the model, which speaks for `first` to `last`."""

    start: int
    end: int
    first: int
    last: int


def plan(words: Sequence[int], size: int, overlap: int) -> list[Window]:
    """Cover all tokens; `words` names each token's word, `size` and `overlap` are in tokens.

    Every token is spoken for by exactly one window. A word longer than a window is cut.
    """
    if not words:
        return []
    spans = list(_spans(words, size, overlap))
    borders = [0]
    for (_, end), (start, _) in pairwise(spans):
        borders.append(_word_start(words, (start + end) // 2, start))
    borders.append(len(words))
    return [
        Window(start, end, first, last)
        for (start, end), (first, last) in zip(spans, pairwise(borders), strict=True)
    ]


def merge(windows: Sequence[Window], judged: Sequence[Output]) -> Output:
    """Join what each window says (one row a token shown) into one row a token of the text."""
    parts = [
        rows[window.first - window.start : window.last - window.start]
        for window, rows in zip(windows, judged, strict=True)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def _spans(words: Sequence[int], size: int, overlap: int) -> Iterator[tuple[int, int]]:
    """Yield starts and ends, each further on than the one before."""
    start, end, total = 0, 0, len(words)
    while total - start > size:
        end = _word_start(words, start + size, end + 1)
        yield start, end
        start = _next_start(words, start, end, overlap)
    yield start, total


def _next_start(words: Sequence[int], start: int, end: int, overlap: int) -> int:
    """Overlap by whole words; by fewer tokens, or none, when a long word leaves no choice."""
    wished = end - overlap
    for candidate in chain(range(wished, start, -1), range(wished + 1, end + 1)):
        if candidate > start and words[candidate] != words[candidate - 1]:
            return candidate
    return max(wished, start + 1)


def _word_start(words: Sequence[int], index: int, least: int) -> int:
    """Return the last word's beginning in `least` to `index`; `index` itself when there is none."""
    for candidate in range(index, least - 1, -1):
        if words[candidate] != words[candidate - 1]:
            return candidate
    return index
