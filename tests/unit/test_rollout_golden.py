"""The golden set: how it is read and asked, with patience for a flaky answerer."""

import json
from pathlib import Path

import httpx
import pytest

from functions.registry.errors import Refused
from functions.registry.golden import Example
from functions.rollout import golden
from functions.rollout.golden import Endpoint, GoldenUnavailable

ORG, PER = (0, 4, "ORG"), (5, 9, "PER")
SET = [Example("Acme Jane", frozenset({ORG, PER})), Example("none", frozenset())]


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
        answers = await golden.ask(Endpoint(http, "http://a", 1), SET)
    assert answers.entities == (frozenset({ORG}), frozenset({ORG}))
    assert len(answers.seconds) == 2
    assert calls == 3


async def test_who_never_answers_rightly_leaves_the_question_open(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(golden, "_PAUSE_SECONDS", 0.0)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, json={"results": []}))
    async with httpx.AsyncClient(transport=transport) as http:
        with pytest.raises(GoldenUnavailable, match="0 results for 2 texts"):
            await golden.ask(Endpoint(http, "http://a", 16), SET)


def test_a_volume_that_does_not_answer_is_waited_for_and_a_wrong_set_is_not(tmp_path: Path) -> None:
    path = tmp_path / "golden.jsonl"
    with pytest.raises(GoldenUnavailable, match=r"golden\.jsonl"):
        golden.read(path)
    path.write_text('{"text": "a", "entities": [{"start": 0, "end": 1}]}\n')
    with pytest.raises(Refused, match="line 1"):
        golden.read(path)
    path.write_text('{"text": "a", "entities": []}\n\n')
    assert golden.read(path) == [Example("a", frozenset())]
