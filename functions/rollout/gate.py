"""The model gate: answers to the golden set → passed or refused, with every number that led to it. Pure.

How far candidate and stable agree is the F1 between their answers. Latency is the 95th percentile of
the requests. Parity is what was measured when the prepared form was made: the share of equal
decisions of checkpoint and form, as the release's manifest records it.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from functions.registry.golden import Entity
from functions.rollout.golden import Answers, f1
from knative.serving.observation import GoldenResult
from knative.serving.policy import Policy

_PARITY = "parity_agreement"
_QUANTILE = 0.95


@dataclass(frozen=True, slots=True)
class Question:
    """What is right in each text, and what the release says of its own prepared form."""

    wanted: tuple[frozenset[Entity], ...]
    metrics: Mapping[str, Any]

    @property
    def parity(self) -> float | None:
        """The share of decisions in which the prepared form equals its checkpoint, if recorded."""
        found = self.metrics.get(_PARITY)
        return float(found) if isinstance(found, int | float) else None


def judge(
    question: Question, ours: Answers, theirs: Answers | None, policy: Policy
) -> GoldenResult:
    """Judge the candidate's answers; without a stable Revision only the absolute limits count."""
    said = ", ".join(_numbers(question, ours, theirs))
    against = next(_against(question, ours, theirs, policy), "")
    return GoldenResult(passed=not against, evidence=f"{said}: {against}" if against else said)


def too_slow(ours: Answers, theirs: Answers | None, policy: Policy) -> str:
    """Say by how much the candidate is too slow; empty when it is not."""
    if not theirs or not policy.max_golden_latency_ratio:
        return ""
    allowed = _p95(theirs) * policy.max_golden_latency_ratio + policy.latency_slack_ms
    return f"p95 is above {allowed:.0f} ms" if _p95(ours) > allowed else ""


def _numbers(question: Question, ours: Answers, theirs: Answers | None) -> Iterator[str]:
    yield f"golden F1 {f1(question.wanted, ours.entities):.3f}"
    if theirs is None:
        yield "nothing to compare with"
    else:
        yield f"stable {f1(question.wanted, theirs.entities):.3f}"
        yield f"agreement {f1(theirs.entities, ours.entities):.3f}"
        yield f"p95 {_p95(ours):.0f} ms, stable {_p95(theirs):.0f} ms"
    if question.parity is not None:
        yield f"parity {question.parity:.4f}"


def _against(
    question: Question, ours: Answers, theirs: Answers | None, policy: Policy
) -> Iterator[str]:
    """Yield every reason to refuse it."""
    found, parity = f1(question.wanted, ours.entities), question.parity
    if found < policy.min_golden:
        yield f"F1 is below {policy.min_golden:g}"
    if parity is not None and not parity >= policy.min_parity:
        yield f"parity of the prepared form is below {policy.min_parity:g}"
    if theirs:
        yield from _compared((found, f1(question.wanted, theirs.entities)), ours, theirs, policy)


def _compared(
    scores: tuple[float, float], ours: Answers, theirs: Answers, policy: Policy
) -> Iterator[str]:
    if scores[0] < scores[1] - policy.golden_margin:
        yield f"worse than stable by more than {policy.golden_margin:g}"
    if f1(theirs.entities, ours.entities) < policy.min_agreement:
        yield f"agreement is below {policy.min_agreement:g}"
    slow = too_slow(ours, theirs, policy)
    if slow:
        yield slow


def _p95(answers: Answers) -> float:
    """Return the 95th percentile in milliseconds, by nearest rank."""
    ranked = sorted(answers.seconds)
    return 1000 * ranked[math.ceil(_QUANTILE * len(ranked)) - 1] if ranked else 0.0
