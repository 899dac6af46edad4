"""notify: what people are told, and what becomes of an event whose telling fails."""

import json
from collections.abc import Callable

import httpx
import pytest

from eventing.cloudevent import CloudEvent, wrap
from eventing.events import (
    IndexRebuildRequested,
    Payload,
    RolloutProgressed,
    RolloutPromoted,
    RolloutRolledBack,
    RolloutStarted,
    RolloutSuperseded,
)
from functions.notify.app import Notify, handle
from functions.notify.settings import Settings
from functions.runtime.errors import ApiError, BadRequest, Unavailable

HOOK = "https://hooks.example.com/services/T0/B0/secret"
PROMOTED = RolloutPromoted("ner", "ner-00007", "ner-00006", None, "failed 0 of <50>")
Answer = Callable[[httpx.Request], httpx.Response]


async def tell(event: CloudEvent, answer: Answer) -> list[str]:
    told: list[str] = []

    def respond(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == HOOK
        told.append(json.loads(request.content)["text"])
        return answer(request)

    async with httpx.AsyncClient(transport=httpx.MockTransport(respond)) as http:
        await handle(event, Notify(Settings.from_env({"NOTIFY_URL": HOOK}), http))
    return told


def ok(_request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, text="ok")


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (PROMOTED, "ner: ner-00007 serves everything now (failed 0 of &lt;50&gt;)"),
        (
            RolloutRolledBack("ner", "ner-00007", "ner-00006", None, "too slow"),
            "ner: ner-00007 was refused, ner-00006 serves (too slow)",
        ),
        (
            RolloutSuperseded("ner", "ner-00007", "a person set traffic"),
            "ner: ner-00007 was given up (a person set traffic)",
        ),
        (
            RolloutStarted("ner", "ner-00007", "ner-00006", None, "http://c"),
            "ner: ner-00007 is tried against ner-00006",
        ),
    ],
)
async def test_an_event_is_one_line_that_slack_takes(payload: Payload, text: str) -> None:
    assert await tell(wrap(payload, "test"), ok) == [text]


@pytest.mark.parametrize(
    "payload",
    [RolloutProgressed("ner", "ner-00007", "Canary", 5, ""), IndexRebuildRequested("a person")],
)
async def test_what_nobody_wants_to_be_told_is_taken_and_not_told(payload: Payload) -> None:
    assert await tell(wrap(payload, "test"), ok) == []


def refused(_request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("refused")


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (refused, Unavailable),
        (lambda _: httpx.Response(429), Unavailable),
        (lambda _: httpx.Response(503), Unavailable),
        (lambda _: httpx.Response(403, text="invalid_token"), BadRequest),
        (lambda _: httpx.Response(404, text="no_service"), BadRequest),
    ],
)
async def test_a_passing_fault_asks_for_redelivery_and_a_refusal_is_final(
    answer: Answer, error: type[ApiError]
) -> None:
    with pytest.raises(error) as caught:
        await tell(wrap(PROMOTED, "test"), answer)
    assert "hooks.example.com" not in str(caught.value)


@pytest.mark.parametrize("url", ["", "hooks.example.com/secret"])
def test_a_webhook_that_is_none_is_refused_by_name_and_not_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"^NOTIFY_URL must be the address of a webhook$"):
        Settings.from_env({"NOTIFY_URL": url})
