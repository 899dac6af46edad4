"""Near chunks → the sentences that answer, each with a citation into its document.

Pure. The best sentence comes first, the one that follows it in its paragraph second, since it often
holds the figure, then others nearly as good. Of two sentences that say nearly the same, the one of
the later document stays: newer figures replace older ones. Text of documents is only ever quoted.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from functions.index.chunks import sentences
from functions.inference.score import Sentence

UNSUPPORTED = "Nothing in the corpus supports an answer to this question."
MOST_SENTENCES = 3
SUPPORT = 0.48
"""The least score of an answer's first sentence; chosen with the weights."""
NEAR_TOP = 0.82
"""A further sentence needs this share of the first one's score, the one that follows it less."""
FOLLOWS_TOP = 0.5
SAME = 0.8
"""Cosine from which two sentences may speak of the same fact."""
REPLACES = 0.93
"""What share of the earlier twin's score the later one needs: else it is about something else."""

_MARKER = re.compile(r"\[(\d+)")


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
    """`text` quotes the citations, or names them by number in brackets; without support it says so."""

    text: str
    citations: tuple[Citation, ...]
    supported: bool


def compose(candidates: Sequence[Sentence], scores: Sequence[float]) -> Answer:
    """Choose among `candidates`; score i belongs to candidate i."""
    if not supports(scores):
        return Answer(UNSUPPORTED, (), supported=False)
    chosen = _choose(candidates, scores)
    citations = tuple(cite(candidates[row], scores[row]) for row in chosen)
    return Answer(" ".join(citation.text for citation in citations), citations, supported=True)


def supports(scores: Sequence[float]) -> bool:
    """Tell whether anything scored well enough to answer with."""
    return bool(scores) and max(scores) >= SUPPORT


def parts(answer: Answer) -> list[tuple[str, Citation | None]]:
    """Cut the text into what is said one after the other, each with the first citation behind it."""
    if answer.text == " ".join(citation.text for citation in answer.citations):
        return [(citation.text, citation) for citation in answer.citations]
    spoken = [answer.text[span.start : span.end] for span in sentences(answer.text)]
    return [(text, _marked(text, answer.citations)) for text in spoken]


def _marked(text: str, citations: Sequence[Citation]) -> Citation | None:
    marker = _MARKER.search(text)
    return citations[int(marker.group(1)) - 1] if marker else None


def _choose(candidates: Sequence[Sentence], scores: Sequence[float]) -> list[int]:
    order = sorted(range(len(candidates)), key=lambda row: -scores[row])
    top = scores[order[0]]
    near = [row for row in order if scores[row] >= NEAR_TOP * top]
    chosen = _later_of_twins(near, candidates, scores)
    follower = _follower(chosen[0], candidates)
    if follower is not None and follower not in chosen and scores[follower] >= FOLLOWS_TOP * top:
        chosen.insert(1, follower)
    return chosen[:MOST_SENTENCES]


def _later_of_twins(
    rows: Sequence[int], candidates: Sequence[Sentence], scores: Sequence[float]
) -> list[int]:
    """Drop, of two rows that say the same, the earlier document's; `rows` come best first."""
    chosen: list[int] = []
    for row in rows:
        twin = next((other for other in chosen if _same(candidates[row], candidates[other])), None)
        if twin is None:
            chosen.append(row)
        elif (
            _replaces(candidates[row], candidates[twin]) and scores[row] >= REPLACES * scores[twin]
        ):
            chosen[chosen.index(twin)] = row
    return chosen


def _same(one: Sentence, other: Sentence) -> bool:
    return float(np.dot(one.vector, other.vector)) >= SAME


def _replaces(later: Sentence, earlier: Sentence) -> bool:
    return later.chunk.date > earlier.chunk.date


def _follower(row: int, candidates: Sequence[Sentence]) -> int | None:
    """Return the candidate right behind this one: at most a space apart, so in the same paragraph."""
    here = candidates[row]
    for other, there in enumerate(candidates):
        if there.chunk.document == here.chunk.document and there.start - here.end in (0, 1):
            return other
    return None


def cite(sentence: Sentence, score: float) -> Citation:
    """Return the sentence as a citation."""
    return Citation(
        document=sentence.chunk.document,
        title=sentence.chunk.title,
        date=sentence.chunk.date,
        text=sentence.text,
        start=sentence.start,
        end=sentence.end,
        score=round(score, 4),
    )
