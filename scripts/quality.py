"""How well questions with known answers were answered: shares between 0 and 1. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Quality:
    """`cited`: answerable questions whose first three citations hold an expected document.

    `spans`: those with a citation of an expected document that holds the expected span. `right`: those
    whose answer holds the expected text. `answered`: those that were not refused. `refused`: the
    unanswerable ones that were.
    """

    cited: float
    spans: float
    right: float
    answered: float
    refused: float


def score(questions: Sequence[Mapping[str, Any]], bodies: Sequence[Mapping[str, Any]]) -> Quality:
    """Compare each question's `documents`, `span` and `answer` with the response's body."""
    pairs = list(zip(questions, bodies, strict=True))
    known = [(question, body) for question, body in pairs if question["documents"]]
    unknown = [body for question, body in pairs if not question["documents"]]
    return Quality(
        cited=_share(_cited(body) & set(question["documents"]) for question, body in known),
        spans=_share(right_span(question, body) for question, body in known),
        right=_share(question["answer"] in body["answer"] for question, body in known),
        answered=_share(body["supported"] for _, body in known),
        refused=_share(not body["supported"] for body in unknown),
    )


def right_span(question: Mapping[str, Any], body: Mapping[str, Any]) -> bool:
    """Tell whether the span was cited, or an unanswerable question refused."""
    if not question["documents"]:
        return not body["supported"]
    return any(
        citation["document"] in question["documents"] and question["span"] in citation["text"]
        for citation in body["citations"]
    )


def _cited(body: Mapping[str, Any]) -> set[str]:
    return {citation["document"] for citation in body["citations"][:3]}


def _share(outcomes: Iterable[object]) -> float:
    counted = [bool(outcome) for outcome in outcomes]
    return sum(counted) / len(counted) if counted else 1.0
