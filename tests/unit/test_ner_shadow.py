"""Shadow in ner: what is remembered, whom it is shown to, and what of it anybody gets to know."""

import logging

import httpx
import pytest

from functions.ner import replay as replaying
from functions.ner.decode import Entity
from functions.ner.replay import replay
from functions.ner.schema import shadow as asked
from functions.ner.settings import Settings
from functions.ner.shadow import HEADER, KEPT, Comparison, Shadow
from functions.runtime.errors import ApiError, Invalid, NotFound
from tests.support.ner_client import running

TEXT = "Acme hired Jane"
ORG, PER = Entity("Acme", "ORG", 0.9, 0, 4), Entity("Jane", "PER", 0.9, 11, 15)
CANDIDATE = "http://candidate-ner.ns.svc.cluster.local"


def remembering(count: int = 1, **options: bool) -> Shadow:
    shadow = Shadow(1.0, service="ner", **options)
    for _ in range(count):
        shadow.remember([TEXT, ""], [[ORG, PER], []])
    return shadow


@pytest.fixture
def candidate(monkeypatch: pytest.MonkeyPatch) -> list[httpx.Request]:
    """A candidate that finds the first and nothing else, and what it was asked."""
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        found = [{"start": 0, "end": 4, "label": "ORG", "text": "Acme", "score": 0.9}]
        return httpx.Response(200, json={"results": [{"entities": found}, {"entities": []}]})

    transport = httpx.MockTransport(answer)
    monkeypatch.setattr(replaying, "client", lambda _: httpx.AsyncClient(transport=transport))
    return requests


def test_nothing_is_remembered_by_default_and_a_share_when_it_is_asked_for() -> None:
    off = Shadow(Settings.from_env({}).shadow_share, service="ner")
    off.remember([TEXT], [[ORG]])
    assert not off.kept
    draws = iter([0.1, 0.9, 0.3, 0.2])
    some = Shadow(0.25, service="ner", draw=lambda: next(draws))
    for _ in range(4):
        some.remember([TEXT], [[ORG]])
    assert len(some.kept) == 2
    assert len(remembering(3 * KEPT).kept) == KEPT


@pytest.mark.parametrize("share", ["2", "-0.1", "some", "nan"])
def test_a_share_that_makes_no_sense_is_refused_by_name(share: str) -> None:
    with pytest.raises(ValueError, match="NER_SHADOW_SHARE"):
        Settings.from_env({"NER_SHADOW_SHARE": share})


@pytest.mark.parametrize(
    "address",
    [
        None,
        "http://ner.ns.svc.cluster.local",
        "http://candidate-inference.ns.svc.cluster.local",
        "http://candidate-ner.evil.example",
        "http://candidate-ner.ns.svc.cluster.local.evil.example",
        "http://candidate-ner.ns.svc.cluster.local/v1",
        "https://candidate-ner.ns.svc.cluster.local",
    ],
)
def test_nobody_but_a_tag_of_this_service_is_shown_what_users_asked(address: object) -> None:
    with pytest.raises(Invalid):
        remembering().address(address)
    with pytest.raises(NotFound):
        Shadow(0.0, service="ner").address(CANDIDATE)
    assert remembering().address(CANDIDATE) == CANDIDATE


@pytest.mark.parametrize("body", [b"[]", b"{", b'{"requests": 0}', b'{"requests": 65}'])
def test_a_question_that_makes_no_sense_is_refused(body: bytes) -> None:
    with pytest.raises(ApiError):
        asked(body)


async def test_a_replay_counts_what_both_found_and_is_marked_as_one(
    candidate: list[httpx.Request],
) -> None:
    told = (await replay(remembering(3), CANDIDATE, 2)).to_json()
    assert told == {
        "compared": 2,
        "failed": 0,
        "agreement": pytest.approx(2 / 3),
        "labels": {"ORG": {"both": 2}, "PER": {"stable": 2}},
    }
    assert [request.headers[HEADER] for request in candidate] == ["1", "1"]
    assert str(candidate[0].url) == f"{CANDIDATE}/v1/entities"


@pytest.mark.parametrize("redact", [True, False])
async def test_texts_are_in_the_log_only_when_that_was_asked_for(
    candidate: list[httpx.Request], caplog: pytest.LogCaptureFixture, *, redact: bool
) -> None:
    caplog.set_level(logging.INFO, "functions.ner.shadow")
    await replay(remembering(redact=redact), CANDIDATE, 1)
    (record,) = caplog.records
    assert ("Acme" in record.getMessage()) is not redact
    assert "PER" in record.getMessage()


async def test_a_candidate_that_does_not_answer_has_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    transport = httpx.MockTransport(lambda _: httpx.Response(500))
    monkeypatch.setattr(replaying, "client", lambda _: httpx.AsyncClient(transport=transport))
    told = (await replay(remembering(2), CANDIDATE, 9)).to_json()
    assert (told["compared"], told["failed"]) == (2, 2)


async def test_over_http_answered_requests_are_asked_again_but_replays_are_not(
    candidate: list[httpx.Request],
) -> None:
    environ = {"NER_HEURISTICS": "true", "NER_SHADOW_SHARE": "1", "K_SERVICE": "ner"}
    texts = {"texts": ["Nestlé paid $ 3 million in May 2024.", ""]}
    async with running(**environ) as client:
        await client.post("/v1/entities", json=texts)
        await client.post("/v1/entities", json=texts, headers={HEADER: "1"})
        told = (await client.post("/v1/shadow", json={"address": CANDIDATE})).json()
        refused = await client.post("/v1/shadow", json={"address": "http://elsewhere"})
    assert (told["compared"], refused.status_code) == (1, 422)
    assert len(candidate) == 1
    async with running(NER_HEURISTICS="true", K_SERVICE="ner") as client:
        off = await client.post("/v1/shadow", json={"address": CANDIDATE})
    assert off.status_code == 404


def test_nothing_found_by_either_is_agreement() -> None:
    comparison = Comparison(compared=1)
    comparison.add(frozenset(), frozenset())
    assert comparison.to_json()["agreement"] == 1.0
