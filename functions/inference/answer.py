"""Near chunks → the sentences that answer, each with a citation into its document.

Pure. A sentence's score is its cosine to the question mixed with the share of the question's words
that it, or its document's title, holds. Of two sentences that say nearly the same, the one of the
later document stays: newer figures replace older ones. Text of documents is only ever quoted.
"""

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from functions.index.chunks import Chunk, sentences
from functions.index.generation import Vectors

UNSUPPORTED = "Nothing in the corpus supports an answer to this question."
MOST_SENTENCES = 3
MEANING, WORDS = 0.65, 0.35
TITLE = 0.5
"""What a word is worth that stands only in the title."""
SUPPORT = 0.45
"""The least score of an answer's first sentence; chosen on the question set, see the README."""
NEAR_TOP = 0.82
"""A further sentence needs this share of the first one's score."""
SAME = 0.8
"""Cosine from which two sentences speak of the same fact."""
_WORD = re.compile(r"\w+(?:[.,]\d+)*")
_SHORTEST = 20
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
    """A sentence of a chunk; `start` and `end` count in the document."""

    chunk: Chunk
    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a part of the answer stands: `document[start:end] == text`."""

    document: str
    title: str
    date: str
    text: str
    start: int
    end: int
    score: float


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is the citations' texts, in order; without support it says so."""

    text: str
    citations: tuple[Citation, ...]
    supported: bool


def split(chunks: Sequence[Chunk]) -> list[Sentence]:
    """Cut the chunks into sentences worth quoting; headings and scraps are not."""
    return [
        Sentence(chunk, chunk.start + span.start, chunk.start + span.end, text)
        for chunk in chunks
        for span in sentences(chunk.text)
        if len(text := chunk.text[span.start : span.end]) >= _SHORTEST and not text.startswith("#")
    ]


def words(text: str) -> frozenset[str]:
    """Return the words that carry meaning, lower-cased, without endings of number and time."""
    found = (match.group().lower() for match in _WORD.finditer(text))
    return frozenset(_stem(word) for word in found if word not in _STOP)


def compose(
    question: str, candidates: Sequence[Sentence], query: Vectors, vectors: Vectors
) -> Answer:
    """Choose among `candidates`; row i of `vectors` belongs to candidate i."""
    if not candidates:
        return Answer(UNSUPPORTED, (), supported=False)
    scores = _scores(question, candidates, vectors @ query)
    order = sorted(range(len(candidates)), key=lambda row: -scores[row])
    if scores[order[0]] < SUPPORT:
        return Answer(UNSUPPORTED, (), supported=False)
    chosen = _choose(candidates, vectors, scores, order)
    citations = tuple(_citation(candidates[row], scores[row]) for row in chosen)
    return Answer(" ".join(citation.text for citation in citations), citations, supported=True)


def _scores(question: str, candidates: Sequence[Sentence], cosines: Vectors) -> list[float]:
    asked = words(question)
    texts = [words(candidate.text) for candidate in candidates]
    titles = [words(candidate.chunk.title) for candidate in candidates]
    frequency = Counter(word for text in texts for word in text)
    weight = {word: math.log(1 + len(texts) / (1 + frequency[word])) for word in asked}
    whole = sum(weight.values()) or 1.0
    return [
        MEANING * float(cosine)
        + WORDS * sum(weight[word] * _presence(word, text, title) for word in asked) / whole
        for cosine, text, title in zip(cosines, texts, titles, strict=True)
    ]


def _presence(word: str, text: frozenset[str], title: frozenset[str]) -> float:
    if word in text:
        return 1.0
    return TITLE if word in title else 0.0


def _choose(
    candidates: Sequence[Sentence], vectors: Vectors, scores: Sequence[float], order: Sequence[int]
) -> list[int]:
    chosen: list[int] = []
    for row in order:
        if scores[row] < NEAR_TOP * scores[order[0]]:
            break
        twin = next((other for other in chosen if _same(vectors, row, other)), None)
        if twin is not None:
            if candidates[row].chunk.date > candidates[twin].chunk.date:
                chosen[chosen.index(twin)] = row
        elif len(chosen) < MOST_SENTENCES:
            chosen.append(row)
    return chosen


def _same(vectors: Vectors, one: int, other: int) -> bool:
    return float(np.dot(vectors[one], vectors[other])) >= SAME


def _citation(sentence: Sentence, score: float) -> Citation:
    return Citation(
        document=sentence.chunk.document,
        title=sentence.chunk.title,
        date=sentence.chunk.date,
        text=sentence.text,
        start=sentence.start,
        end=sentence.end,
        score=round(score, 4),
    )


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 4:  # noqa: PLR2004 - `sales`, not `gas`
            return word[: -len(ending)]
    return word
