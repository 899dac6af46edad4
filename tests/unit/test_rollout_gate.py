"""The model gate: F1, agreement, latency and parity, each with its limit, each named when it refuses."""

import json

import pytest

from functions.registry.golden import Entity
from functions.rollout import gate, golden
from functions.rollout.gate import Question
from functions.rollout.golden import Answers
from functions.rollout.probes import in_earnest
from knative.serving import policy
from knative.serving.policy import Policy, PolicyInvalid

ORG, PER, LOC = (0, 4, "ORG"), (5, 9, "PER"), (5, 9, "LOC")
WANTED = (frozenset({ORG, PER}), frozenset[Entity]())
BEST = Answers(WANTED, (0.01, 0.02))


@pytest.mark.parametrize(
    ("found", "score"),
    [
        ([{ORG, PER}, set()], 1.0),
        ([{ORG}, set()], 2 / 3),
        ([{(0, 4, "PER")}, set()], 0.0),
        ([{(0, 5, "ORG"), PER}, set()], 0.5),
        ([set(), set()], 0.0),
    ],
)
def test_an_entity_counts_with_its_exact_span_and_label(
    found: list[set[Entity]], score: float
) -> None:
    assert golden.f1(WANTED, [frozenset(item) for item in found]) == pytest.approx(score)


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    assert golden.f1([frozenset()], [frozenset()]) == 1.0


def of(right: int, texts: int = 100) -> Answers:
    """Answers of which so many hundredths are right; F1 is the same share."""
    found = [frozenset({ORG if number < right else PER}) for number in range(texts)]
    return Answers(tuple(found), (0.01,) * texts)


HUNDRED = Question((frozenset({ORG}),) * 100, {})


@pytest.mark.parametrize(
    ("candidate", "stable", "refused"),
    [
        (90, 90, ""),
        (89, 90, ""),
        (87, 90, "worse than stable by more than 0.02"),
        (40, 40, "F1 is below 0.5"),
        (60, None, ""),
        (40, None, "F1 is below 0.5"),
    ],
)
def test_below_the_floor_or_outside_the_margin_is_refused(
    candidate: int, stable: int | None, refused: str
) -> None:
    theirs = of(stable) if stable is not None else None
    result = gate.judge(HUNDRED, of(candidate), theirs, Policy())
    assert (result.passed, refused in result.evidence) == (not refused, True)


def test_equal_scores_by_other_answers_are_an_agreement_that_has_its_own_limit() -> None:
    ours, theirs = of(50), Answers(tuple(reversed(of(50).entities)))
    assert gate.judge(HUNDRED, ours, theirs, Policy()).passed
    strict = gate.judge(HUNDRED, ours, theirs, Policy(min_agreement=0.9))
    assert not strict.passed
    assert "agreement 0.000" in strict.evidence
    assert "agreement is below 0.9" in strict.evidence


@pytest.mark.parametrize(
    ("milliseconds", "ratio", "passed"), [(129, 3, True), (131, 3, False), (9999, 0, True)]
)
def test_p95_on_the_golden_set_has_a_limit_beside_stables(
    milliseconds: float, ratio: float, *, passed: bool
) -> None:
    theirs = Answers(WANTED, (0.001,) * 90 + (0.01,) * 10)
    ours = Answers(WANTED, (0.001,) * 90 + (milliseconds / 1000,) * 10)
    rules = Policy(max_golden_latency_ratio=ratio)
    result = gate.judge(Question(WANTED, {}), ours, theirs, rules)
    assert result.passed is passed
    assert passed or "p95 is above 130 ms" in result.evidence


@pytest.mark.parametrize(
    ("metrics", "passed"),
    [
        ({}, True),
        ({"parity_agreement": 1.0}, True),
        ({"parity_agreement": 0.98}, False),
        ({"parity_agreement": float("nan")}, False),
        ({"parity_agreement": "none"}, True),
    ],
)
def test_a_prepared_form_that_decides_otherwise_than_its_checkpoint_is_refused(
    metrics: dict[str, object], *, passed: bool
) -> None:
    result = gate.judge(Question(WANTED, metrics), BEST, None, Policy())
    assert result.passed is passed
    assert passed or "parity of the prepared form is below 0.99" in result.evidence


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("min_agreement", 1.1),
        ("min_agreement", -0.1),
        ("max_golden_latency_ratio", 0.5),
        ("max_golden_latency_ratio", True),
        ("min_parity", "high"),
        ("gpus", "many"),
        ("gpus", -1),
    ],
)
def test_a_limit_that_makes_no_sense_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(PolicyInvalid, match=f"^{field}: must be"):
        policy.parse(json.dumps({field: value}))


@pytest.mark.parametrize(("slow", "asked", "passed"), [(0, 1, True), (2, 3, True), (3, 3, False)])
async def test_one_slow_round_is_the_machines_and_three_are_the_models(
    slow: int, asked: int, *, passed: bool
) -> None:
    seconds = [9.0] * slow + [0.01] * 9
    rounds = 0

    async def ask() -> tuple[Answers, Answers]:
        nonlocal rounds
        rounds += 1
        return Answers(WANTED, (seconds[rounds - 1],)), BEST

    both = await in_earnest(ask, Policy())
    assert gate.judge(Question(WANTED, {}), *both, Policy()).passed is passed
    assert rounds == asked
