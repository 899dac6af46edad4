"""How well a sentence answers a question: meaning, words, and the names that were asked for. Pure.

A question that names a country or a company is not answered by a sentence about another one, however
alike they are: each name missing from a sentence's surroundings costs. Nor is one that names a year
answered by what is of other years. The weights were chosen on
question sets over the demo corpus; the README of the index says how, and how they did on others.
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from functions.index.chunks import Chunk
from functions.index.generation import Vectors
from functions.inference.words import (
    asks_for_a_name,
    beginnings,
    names,
    places,
    says_a_name,
    stands,
    words,
    years,
)

SENTENCE, CHUNK, WORDS = 0.26, 0.37, 0.4
"""Weights of the sentence's cosine, of its chunk's cosine, and of the question's words in it."""
NEARBY = 0.85
"""What a word is worth that stands in the title or elsewhere in the chunk."""
MISSING_NAME, FAR_NAME = 0.23, 0.04
"""What it costs when the question's names stand nowhere near, or near but not in sentence or title."""
OTHER_PLACE = 0.1
"""What it costs a sentence to name another country than the question."""
NO_NAME = 0.11
"""What it costs a sentence without a name when the question is who, which or where."""

OTHER_YEAR = 1.0
"""What it costs when none of the question's years stands near or in the document's date: all."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a chunk, with both vectors; `start` and `end` count in the document."""

    chunk: Chunk
    start: int
    end: int
    text: str
    vector: Vectors
    chunk_vector: Vectors


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a question asks for; `a_name`: somebody or something that is called so."""

    question: str
    names: frozenset[str]
    years: frozenset[str]
    a_name: bool


def scores(question: str, query: Vectors, candidates: Sequence[Sentence]) -> list[float]:
    """Score each candidate; `query` is the question's vector."""
    asked = _Asked(question, names(question), years(question), asks_for_a_name(question))
    around = {one.chunk: beginnings(_surroundings(one.chunk)) for one in candidates}
    overlap = _overlaps(words(question), candidates)
    return [
        SENTENCE * float(candidate.vector @ query)
        + CHUNK * float(candidate.chunk_vector @ query)
        + WORDS * shared
        - _cost(asked, candidate, around[candidate.chunk])
        for shared, candidate in zip(overlap, candidates, strict=True)
    ]


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


def _cost(asked: _Asked, candidate: Sentence, around: frozenset[str]) -> float:
    """Return what names and years cost: those that are missing, and those of others."""
    here = beginnings(candidate.text)
    at_hand = here | beginnings(candidate.chunk.title)
    cost = NO_NAME if asked.a_name and not says_a_name(candidate.text, asked.question) else 0.0
    for name in asked.names:
        if not stands(name, around):
            cost += MISSING_NAME / len(asked.names)
        elif not stands(name, at_hand):
            cost += FAR_NAME / len(asked.names)
    wanted = places(asked.names)
    elsewhere = wanted and places(here) and not any(stands(place, here) for place in wanted)
    other_year = asked.years and asked.years.isdisjoint(_years(candidate.chunk))
    return cost + (OTHER_PLACE if elsewhere else 0.0) + (OTHER_YEAR if other_year else 0.0)


def _years(chunk: Chunk) -> frozenset[str]:
    return years(f"{chunk.date} {_surroundings(chunk)}")


def _surroundings(chunk: Chunk) -> str:
    return " ".join((chunk.title, chunk.text, *chunk.tags))
