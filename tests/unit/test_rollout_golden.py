"""The golden set: F1 by exact span and label, patience with a flaky answerer, and the two limits."""

import json
from pathlib import Path

import httpx
import pytest

from functions.rollout import golden
from functions.rollout.golden import Endpoint, Example, GoldenUnavailable
from knative.serving.policy import Policy

ORG, PER = (0, 4, "ORG"), (5, 9, "PER")
SET = [Example("Acme Jane", frozenset({ORG, PER})), Example("none", frozenset())]


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
    found: list[set[golden.Entity]], score: float
) -> None:
    wanted = [example.entities for example in SET]
    assert golden.f1(wanted, [frozenset(item) for item in found]) == pytest.approx(score)


def test_nothing_to_find_and_nothing_found_is_right() -> None:
    assert golden.f1([frozenset()], [frozenset()]) == 1.0


@pytest.mark.parametrize(
    ("candidate", "stable", "passed"),
    [
        (0.9, 0.9, True),
        (0.89, 0.9, True),
        (0.87, 0.9, False),
        (0.4, 0.4, False),
        (0.6, None, True),
        (0.4, None, False),
    ],
)
def test_below_the_floor_or_outside_the_margin_is_refused(
    candidate: float, stable: float | None, *, passed: bool
) -> None:
    assert golden.compare(candidate, stable, Policy()).passed is passed


async def test_how_often_requests_fail_is_not_the_golden_sets_question() -> None:
    calls = 0

    def answer(request: httpx.Request) -> httpx.Response:
        nonlocal calls
        calls += 1
        texts = json.loads(request.content)["texts"]
        entities = [{"start": 0, "end": 4, "label": "ORG", "text": "Acme", "score": 0.9}]
        results = [{"entities": entities} for _ in texts]
        return httpx.Response(500 if calls == 1 else 200, json={"results": results})

    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        assert await golden.score(Endpoint(http, "http://a", 1), SET) == pytest.approx(0.5)
    assert calls == 3


async def test_who_never_answers_rightly_leaves_the_question_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(golden, "_PAUSE_SECONDS", 0.0)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"results": []}))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(GoldenUnavailable, match="0 results for 2 texts"):
            await golden.score(Endpoint(http, "http://a", 16), SET)


def test_a_golden_set_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    path.write_text('{"text": "a", "entities": [{"start": 0, "end": 1}]}\n')
    with pytest.raises(GoldenUnavailable, match=r"golden\.jsonl"):
        golden.read(path)
    path.write_text('{"text": "a", "entities": []}\n\n')
    assert golden.read(path) == [Example("a", frozenset())]
