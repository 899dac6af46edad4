"""A chat model answers when it can; when it cannot, sentences are quoted and the reason is told."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from functions.inference import generate
from functions.inference.answerers import Answered, Evidence, Extractive, NotAnswered, ask
from functions.inference.breaker import COOLDOWN, THRESHOLD
from functions.inference.generate import Generative, Options
from tests.support.evidence import document

SENTENCES = document("Dealers in Germany sold 2.05 million e-bikes. Prices fell by 5 percent.")
GOOD, BAD = (
    Evidence("How many?", SENTENCES, [0.9, 0.6]),
    Evidence("How many?", SENTENCES, [0.1, 0.2]),
)
OPTIONS = Options("secret", "http://llm.test/v1", "small", 5.0)
Handler = Callable[[httpx.Request], Any]


def completion(content: Any) -> httpx.Response:
    return httpx.Response(200, json={"choices": [{"message": {"content": content}}]})


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Api:
    """Counts the calls of a model that answers with `handler`."""

    def __init__(self, handler: Handler, options: Options = OPTIONS) -> None:
        self.calls, self.clock, self._handler = 0, Clock(), handler
        http = httpx.AsyncClient(transport=httpx.MockTransport(self._count))
        self.model = Generative(options, http, self.clock)

    async def _count(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        response = self._handler(request)
        return await response if asyncio.iscoroutine(response) else response

    async def ask(self, evidence: Evidence = GOOD) -> Answered:
        return await ask((self.model, Extractive()), evidence)


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generate, "PAUSE", 0.0)


async def test_the_model_is_asked_with_the_key_and_answers_with_citations() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert request.url == "http://llm.test/v1/chat/completions"
        assert request.headers["authorization"] == "Bearer secret"
        assert json.loads(request.content)["model"] == "small"
        return completion("They sold 2.05 million [1].")

    answered = await Api(answer).ask()
    assert (answered.answerer, answered.answer.text) == (
        "openai/small",
        "They sold 2.05 million [1].",
    )
    assert answered.reason == "OPENAI_API_KEY is configured"
    assert [one.text for one in answered.answer.citations] == [SENTENCES[0].text]


async def test_what_nothing_supports_is_not_sent_to_the_model() -> None:
    api = Api(lambda _: completion("x"))
    answered = await api.ask(BAD)
    assert (api.calls, answered.answer.supported) == (0, False)
    assert "nothing that was found" in answered.reason


@pytest.mark.parametrize(
    ("response", "reason"),
    [
        (httpx.Response(401, json={}), "it answered 401"),
        (httpx.Response(200, text="<html>"), "no chat completion"),
        (httpx.Response(200, json={"choices": []}), "no chat completion"),
        (httpx.Response(200, json=[]), "no chat completion"),
        (completion(None), "no chat completion"),
        (completion("They sold 9 million [1]."), "not believed: it says 9"),
    ],
)
async def test_a_wrong_answer_is_asked_for_once_and_sentences_are_quoted(
    response: httpx.Response, reason: str
) -> None:
    api = Api(lambda _: response)
    answered = await api.ask()
    assert (api.calls, answered.answerer) == (1, "extractive")
    assert reason in answered.reason
    assert answered.answer.text.startswith("Dealers in Germany")


async def test_a_passing_fault_is_tried_again() -> None:
    answers = iter([httpx.Response(503), httpx.Response(429), completion("Sold [1].")])
    api = Api(lambda _: next(answers))
    assert (await api.ask()).answerer == "openai/small"
    assert api.calls == 3


async def test_without_a_retry_budget_a_fault_is_final() -> None:
    api = Api(lambda _: httpx.Response(503))
    for _ in range(THRESHOLD):
        await api.ask()
    assert api.calls == 3 + 3 + 2  # five retries, then none
    api.clock.now = COOLDOWN
    await api.ask()
    assert api.calls == 9


async def test_after_failures_in_a_row_nobody_waits_for_it_until_it_has_cooled_down() -> None:
    api = Api(lambda _: httpx.Response(400))
    for _ in range(THRESHOLD):
        await api.ask()
    answered = await api.ask()
    assert (api.calls, answered.answerer) == (THRESHOLD, "extractive")
    assert "failed repeatedly" in answered.reason
    api.clock.now = COOLDOWN
    await api.ask()
    assert api.calls == THRESHOLD + 1


async def test_the_time_out_holds_for_all_attempts_together() -> None:
    async def never(_request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    api = Api(never, Options("secret", "http://llm.test/v1", "small", 0.05))
    assert "within 0.05 s" in (await api.ask()).reason


async def test_no_connection_is_told() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    assert "cannot be reached: ConnectError" in (await Api(refuse).ask()).reason


async def test_with_no_answerer_left_all_reasons_are_told() -> None:
    api = Api(lambda _: httpx.Response(400))
    with pytest.raises(NotAnswered, match="openai/small: it answered 400"):
        await ask((api.model,), GOOD)


def test_the_key_is_in_no_repr_and_without_one_there_is_no_model() -> None:
    assert "secret" not in repr(OPTIONS)
    assert Options.from_env({}) is None
    options = Options.from_env({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://a/v1/"})
    assert options == Options("k", "http://a/v1", "gpt-4o-mini", 15.0)
