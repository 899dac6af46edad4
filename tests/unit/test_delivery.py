"""Delivery decided: policies, the back-off schedule, what an answer means, what a letter says."""

import base64
from typing import Any

import pytest

from eventing.cloudevent import CloudEvent, to_http
from eventing.delivery import (
    TIMED_OUT,
    BadDelivery,
    Delivered,
    Fault,
    Policy,
    dead_letter_attributes,
    judge,
    parse_duration,
    policy,
    unanswered,
    wait,
)

SINK = {"ref": {"kind": "Service", "name": "x"}}


@pytest.mark.parametrize(
    ("broker", "trigger", "expected"),
    [
        (None, None, Policy(10, "exponential", 0.2)),
        ({"deadLetterSink": SINK}, None, Policy(10, "exponential", 0.2)),
        ({"retry": 3, "backoffDelay": "PT1S"}, None, Policy(3, "exponential", 1.0)),
        # a Trigger's delivery replaces its Broker's wholly
        ({"retry": 3, "backoffDelay": "PT1S"}, {"retry": 1}, Policy(1, "exponential", 0.0)),
        (None, {"timeout": "PT5S"}, Policy(0, "exponential", 0.0, 5.0)),
        (None, {"backoffPolicy": "linear", "retry": 2}, Policy(2, "linear", 0.0)),
        (None, {"format": "json"}, Policy(0, "exponential", 0.0, structured=True)),
    ],
)
def test_the_policy_of_a_trigger(
    broker: dict[str, Any] | None, trigger: dict[str, Any] | None, expected: Policy
) -> None:
    assert policy(broker, trigger) == expected


@pytest.mark.parametrize(
    "spec",
    [{"retry": -1}, {"retry": "3"}, {"retry": True}, {"backoffPolicy": "random"},
     {"backoffDelay": "5s"}, {"timeout": "P1Y"}, {"retryAfterMax": "PT1S"}],
)  # fmt: skip
def test_a_delivery_that_is_not_understood_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(BadDelivery):
        policy(spec, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("PT0.2S", 0.2), ("PT5M", 300), ("PT1H30M", 5400), ("P1D", 86400), ("P1DT1S", 86401)],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "P", "PT", "5", "P1M", "-PT1S", "pt1s", None, 5])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(BadDelivery):
        parse_duration(text)


def test_exponential_back_off_doubles_and_ends() -> None:
    rule = Policy(retry=3)
    assert [wait(rule, n) for n in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, None]


def test_linear_back_off_starts_at_once_and_grows_evenly() -> None:
    rule = Policy(retry=3, backoff="linear")
    assert [wait(rule, n) for n in (1, 2, 3, 4)] == [0.0, 0.2, 0.4, None]


def test_a_thousand_retries_overflow_nothing() -> None:
    assert (wait(Policy(retry=10_000), 9_999) or 0) < 1e6


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 405, 410, 413, 418, 422, 425])
def test_a_final_refusal(status: int) -> None:
    assert judge(status, {}, b"why") == Fault(again=False, code=status, body=b"why")


@pytest.mark.parametrize("status", [404, 408, 409, 429, 500, 501, 502, 503, 504, 507])
def test_a_passing_fault(status: int) -> None:
    assert judge(status, {}, b"") == Fault(again=True, code=status)


@pytest.mark.parametrize("status", [200, 202, 204])
def test_an_empty_success(status: int) -> None:
    assert judge(status, {"content-type": "text/plain"}, b"") == Delivered()


@pytest.mark.parametrize("structured", [False, True])
def test_a_reply(*, structured: bool) -> None:
    event = CloudEvent("1", "s", "t", data=b"x", datacontenttype="text/plain")
    headers, body = to_http(event, structured=structured)
    assert judge(200, headers, body) == Delivered(event)


def test_an_answer_that_is_no_event_says_nothing_in_its_dead_letter() -> None:
    fault = judge(200, {"content-type": "application/json"}, b'{"ok": true}')
    assert fault == Fault(again=True)
    assert dead_letter_attributes(Fault(again=True), "http://x") == {}


def test_a_dead_letter_says_code_destination_and_data() -> None:
    attributes = dead_letter_attributes(Fault(again=False, code=400, body=b"no"), "http://x/")
    assert attributes == {
        "knativeerrorcode": "400",
        "knativeerrordest": "http://x/",
        "knativeerrordata": base64.b64encode(b"no").decode(),
    }


def test_error_data_is_at_most_1024_characters() -> None:
    attributes = dead_letter_attributes(Fault(again=True, code=500, body=b"x" * 9999), "u")
    assert len(attributes["knativeerrordata"]) == 1024


@pytest.mark.parametrize("fault", [TIMED_OUT, judge(304, {}, b"")])
def test_a_time_out_and_a_304_leave_no_attributes(fault: Fault) -> None:
    assert dead_letter_attributes(fault, "u") == {}


def test_a_lost_connection_is_a_500_of_the_dispatchers() -> None:
    assert unanswered("refused") == Fault(again=True, code=500, body=b"dispatch error: refused")
