"""Shadow in a rollout: what stable tells of live requests passes, refuses, or leaves the question open."""

from typing import Any

import httpx
import pytest

from functions.rollout import shadow
from functions.rollout.golden import GoldenUnavailable
from knative.serving.policy import Policy
from knative.serving.table import Phase
from tests.support.rollout_models import RIGHT, publish
from tests.support.rollout_world import World, synced

RULES = Policy(min_agreement=0.9, shadow_requests=20)


def stable(answer: httpx.Response, asked: list[httpx.Request]) -> httpx.AsyncClient:
    def respond(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return answer

    return httpx.AsyncClient(transport=httpx.MockTransport(respond))


def told(compared: int, failed: int, agreement: float) -> httpx.Response:
    body = {"compared": compared, "failed": failed, "agreement": agreement, "labels": {}}
    return httpx.Response(200, json=body)


@pytest.mark.parametrize(
    ("answer", "passed", "says"),
    [
        (told(20, 0, 0.95), True, "20 live requests: 0 failed, agreement 0.950"),
        (told(20, 0, 0.8), False, "below 0.9"),
        (told(20, 11, 1.0), False, "too many failed"),
        (told(0, 0, 1.0), True, "no live request"),
    ],
)
async def test_live_requests_that_are_answered_otherwise_refuse_a_candidate(
    answer: httpx.Response, says: str, *, passed: bool
) -> None:
    asked: list[httpx.Request] = []
    async with stable(answer, asked) as http:
        result = await shadow.compare(http, "http://ner", "http://candidate-ner", RULES)
    assert (result.passed, says in result.evidence) == (passed, True)
    assert str(asked[0].url) == "http://ner/v1/shadow"
    assert b"candidate-ner" in asked[0].content


@pytest.mark.parametrize("answer", [httpx.Response(404), httpx.Response(200, json={})])
async def test_a_stable_that_remembers_nothing_leaves_the_question_open(
    answer: httpx.Response,
) -> None:
    async with stable(answer, []) as http:
        with pytest.raises(GoldenUnavailable, match="no shadow of live requests"):
            await shadow.compare(http, "http://ner", "http://candidate-ner", RULES)


@pytest.mark.parametrize(
    ("rules", "agreement", "phase", "asked"),
    [
        ({}, 0.0, Phase.SUCCEEDED, 0),
        ({"shadow_requests": 5, "min_agreement": 0.9}, 1.0, Phase.SUCCEEDED, 1),
        ({"shadow_requests": 5, "min_agreement": 0.9}, 0.5, Phase.FAILED, 1),
    ],
)
async def test_it_is_off_by_default_and_comes_after_the_golden_set(
    world: World, rules: dict[str, Any], agreement: float, phase: Phase, asked: int
) -> None:
    world.policy |= rules
    world.shadow = {"compared": 5, "failed": 0, "agreement": agreement, "labels": {}}
    world.deploy(LEVEL="1")
    await world.event()
    world.entities[""] = RIGHT
    await world.event(synced(publish(world, "good", RIGHT), "1.0.0"))
    await world.settle()
    assert (world.state().phase, world.shadowed) == (phase, asked)
    assert world.failed() == {}
