"""How well questions with known answers were answered: shares between 0 and 1. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Quality:
    """`cited`: answerable questions whose first three citations hold an expected document.

    `right`: answerable questions whose answer holds the expected text. `refused`: the unanswerable
    ones that were said to be so.
    """

    cited: float
    right: float
    refused: float


def score(questions: Sequence[Mapping[str, Any]], bodies: Sequence[Mapping[str, Any]]) -> Quality:
    """Compare each question's `documents` and `answer` with the response's body."""
    pairs = list(zip(questions, bodies, strict=True))
    known = [(question, body) for question, body in pairs if question["documents"]]
    unknown = [body for question, body in pairs if not question["documents"]]
    return Quality(
        cited=_share(_cited(body) & set(question["documents"]) for question, body in known),
        right=_share(question["answer"] in body["answer"] for question, body in known),
        refused=_share(not body["supported"] for body in unknown),
    )


def _cited(body: Mapping[str, Any]) -> set[str]:
    return {citation["document"] for citation in body["citations"][:3]}


def _share(outcomes: Iterable[object]) -> float:
    counted = [bool(outcome) for outcome in outcomes]
    return sum(counted) / len(counted) if counted else 1.0
