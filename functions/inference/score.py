"""How well a sentence answers a question: meaning, words, and the names that were asked for. Pure.

A question that names a country or a company is not answered by a sentence about another one, however
alike they are: each name missing from a sentence's surroundings costs. The weights were chosen on
question sets over the demo corpus; the README of the index says how, and how they did on others.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from functions.index.chunks import Chunk
from functions.index.generation import Vectors

SENTENCE, CHUNK, WORDS = 0.2, 0.4, 0.45
"""Weights of the sentence's cosine, of its chunk's cosine, and of the question's words in it."""
NEARBY = 0.8
"""What a word is worth that stands in the title or elsewhere in the chunk."""
MISSING_NAME = 0.22
"""What it costs when none of the names in the question stands near the sentence."""
_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<=\s)[^\W\d_][\w-]*")
_BEGINNING = 5
_STOP = frozenset(
    word
    for line in (
        "a about an and any are as at be been by can could did do does for from had has have how",
        "i in is it its many me much my of on or our out please tell than that the their them there",
        "they this to was we were what when where which who whom whose why will with would you your",
    )
    for word in line.split()
)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a chunk, with both vectors; `start` and `end` count in the document."""

    chunk: Chunk
    start: int
    end: int
    text: str
    vector: Vectors
    chunk_vector: Vectors


def scores(question: str, query: Vectors, candidates: Sequence[Sentence]) -> list[float]:
    """Score each candidate; `query` is the question's vector."""
    meaning = [
        SENTENCE * float(candidate.vector @ query) + CHUNK * float(candidate.chunk_vector @ query)
        for candidate in candidates
    ]
    overlap = _overlaps(words(question), candidates)
    missing = [_missing(names(question), candidate.chunk) for candidate in candidates]
    return [
        near + WORDS * shared - MISSING_NAME * absent
        for near, shared, absent in zip(meaning, overlap, missing, strict=True)
    ]


def words(text: str) -> frozenset[str]:
    """Return the words that carry meaning, lower-cased, without endings of number and time."""
    found = (match.group().lower() for match in _WORD.finditer(text))
    return frozenset(_stem(word) for word in found if word not in _STOP)


def names(question: str) -> frozenset[str]:
    """Return the capitalised words after the first, by their beginnings; abbreviations are not."""
    found = (match.group() for match in _NAME.finditer(question))
    chosen = (name for name in found if name[0].isupper() and not name.isupper())
    return frozenset(name.lower()[:_BEGINNING] for name in chosen)


def _overlaps(asked: frozenset[str], candidates: Sequence[Sentence]) -> list[float]:
    """Return the share of the question's words in each candidate; rare words weigh more."""
    texts = [words(candidate.text) for candidate in candidates]
    chunks = {candidate.chunk for candidate in candidates}
    around = {chunk: words(f"{chunk.title} {chunk.text}") for chunk in chunks}
    frequency = Counter(word for text in texts for word in text)
    weight = {word: math.log(1 + len(texts) / (1 + frequency[word])) for word in asked}
    whole = sum(weight.values()) or 1.0
    return [
        sum(weight[word] * _presence(word, text, around[candidate.chunk]) for word in asked) / whole
        for text, candidate in zip(texts, candidates, strict=True)
    ]


def _presence(word: str, text: frozenset[str], around: frozenset[str]) -> float:
    if word in text:
        return 1.0
    return NEARBY if word in around else 0.0


def _missing(asked: frozenset[str], chunk: Chunk) -> float:
    if not asked:
        return 0.0
    near = " ".join((chunk.title, chunk.text, *chunk.tags)).lower()
    return float(np.mean([name not in near for name in asked]))


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:  # noqa: PLR2004 - `sales`, not `gas`
            return word[: -len(ending)]
    return word
