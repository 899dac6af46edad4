"""The warmer: whom an event wakes, and that waking means a real inference."""

import httpx
import pytest

from eventing.cloudevent import wrap
from eventing.events import (
    IndexRebuildRequested,
    Payload,
    RolloutPromoted,
    RolloutRolledBack,
    RolloutStarted,
)
from functions.runtime.errors import Unavailable
from functions.warmer.app import Warmer, handle
from functions.warmer.plan import plan
from functions.warmer.settings import Settings

SETTINGS = Settings("ns", {"inference": ("ner",)}, 0.4)
STARTED = RolloutStarted("inference", "inference-00002", "inference-00001", None, "http://tag")
NER = "http://ner.ns.svc.cluster.local"


@pytest.mark.parametrize(
    ("payload", "addresses"),
    [
        (STARTED, ["http://tag", NER]),
        (RolloutPromoted("ner", "ner-00002", None, None, "e"), [NER]),
        (RolloutRolledBack("ner", "ner-00002", "ner-00001", None, "e"), [NER]),
        (IndexRebuildRequested("why"), []),
    ],
)
def test_an_event_wakes_a_revision_and_its_chain_at_once(
    payload: Payload, addresses: list[str]
) -> None:
    assert [call.address for call in plan(payload, SETTINGS)] == addresses


def answering(status: dict[str, list[int]], seen: list[str]) -> httpx.AsyncClient:
    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.host}{request.url.path}")
        left = status.get(request.url.path, [200])
        return httpx.Response(left.pop(0) if len(left) > 1 else left[0])

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


async def test_awake_means_ready_and_a_real_inference() -> None:
    seen: list[str] = []
    async with answering({"/health/ready": [503, 200]}, seen) as http:
        await handle(wrap(STARTED, "test"), Warmer(SETTINGS, http))
    assert "POST tag/v1/research" in seen
    assert "POST ner.ns.svc.cluster.local/v1/entities" in seen


async def test_a_candidate_that_is_gone_is_no_error() -> None:
    async with answering({"/health/ready": [404]}, []) as http:
        assert await handle(wrap(STARTED, "test"), Warmer(SETTINGS, http)) is None


async def test_who_does_not_wake_in_time_is_asked_again_by_redelivery() -> None:
    async with answering({"/health/ready": [503]}, []) as http:
        with pytest.raises(Unavailable):
            await handle(wrap(STARTED, "test"), Warmer(SETTINGS, http))


@pytest.mark.parametrize(
    "environ", [{"WARMER_CHAINS": "["}, {"WARMER_CHAINS": "[]"}, {"WARMER_SECONDS": "0"}]
)
def test_a_setting_that_makes_no_sense_is_named(environ: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(environ))):
        Settings.from_env(environ)
