"""Who answers: answerers in order of preference, the last of which always can.

An answerer that cannot answer says why, the next one is asked, and the response names who answered
and for what reason.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from functions.inference.answer import Answer, compose
from functions.inference.score import Sentence


@dataclass(frozen=True, slots=True)
class Evidence:
    """A question and the sentences that were found for it; score i belongs to candidate i."""

    question: str
    candidates: Sequence[Sentence]
    scores: Sequence[float]


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, the name of its answerer, and why that one answered."""

    answer: Answer
    answerer: str
    reason: str


class NotAnswered(Exception):
    """There is no answer from this answerer now; the message says why, in a few words."""


class Answerer(Protocol):
    """Makes an answer of evidence; `reason` says why it is among those asked."""

    @property
    def name(self) -> str:
        """What the response calls it."""
        ...

    @property
    def reason(self) -> str:
        """Why it is asked."""
        ...

    async def answer(self, evidence: Evidence) -> Answer:
        """Return an answer; raises NotAnswered."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True, slots=True)
class Extractive:
    """Quotes sentences of documents; always has an answer, if only that there is none."""

    name: str = "extractive"
    reason: str = "no other answerer is configured"

    async def answer(self, evidence: Evidence) -> Answer:
        """Choose the sentences that answer."""
        return await asyncio.to_thread(compose, evidence.candidates, evidence.scores)

    async def close(self) -> None:
        """Do nothing: it holds nothing."""


async def ask(answerers: Sequence[Answerer], evidence: Evidence) -> Answered:
    """Ask one after the other; raises NotAnswered when none of them answers."""
    refusals: list[str] = []
    for answerer in answerers:
        try:
            answer = await answerer.answer(evidence)
        except NotAnswered as error:
            refusals.append(f"{answerer.name}: {error}")
        else:
            return Answered(answer, answerer.name, "; ".join(refusals) or answerer.reason)
    raise NotAnswered("; ".join(refusals))
