"""Delivery as values: which answer is tried again, when, and what a dead letter says.

The rules are Knative's as observed: 404, 408, 409, 429, every 5xx, time-outs and lost connections
are tried again; other refusals are final. A 2xx answer is empty or carries one event, the reply;
anything else in it is a fault of the subscriber, tried again and then a dead letter.
"""

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventing.cloudevent import CloudEvent, MalformedEvent, read_raw

HTTP_REFUSED = 400
_ERROR_DATA_BYTES = 768  # base64 makes 1024 characters of it
_RETRIED = {404, 408, 409, 429}
_SERVER_ERRORS = 500
_SUCCESS_CLASS = 2
_UNCHANGED = 304  # Knative's dead letter says nothing after it
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")
_LONGEST_DOUBLING = 20  # 0.2 s becomes 2.4 days: no schedule means more


class BadDelivery(ValueError):
    """A delivery spec cannot be understood; the message says which member."""


@dataclass(frozen=True, slots=True)
class Policy:
    """How one Trigger delivers. Times in seconds; `timeout` None is the dispatcher's own limit."""

    retry: int = 10
    backoff: str = "exponential"
    delay: float = 0.2
    timeout: float | None = None
    structured: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """The subscriber took the event; `reply` goes back into the Broker."""

    reply: CloudEvent | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """The subscriber did not take it. `code` and `body` are None where a dead letter says nothing."""

    again: bool
    code: int | None = None
    body: bytes = b""


def policy(broker: Mapping[str, Any] | None, trigger: Mapping[str, Any] | None) -> Policy:
    """Choose: a Trigger's `delivery` replaces its Broker's wholly; neither is Knative's default."""
    chosen = trigger or broker
    if not chosen or set(chosen) == {"deadLetterSink"}:
        return Policy()
    if "retryAfterMax" in chosen:
        raise BadDelivery("delivery.retryAfterMax is not supported")
    backoff = chosen.get("backoffPolicy", "exponential")
    if backoff not in ("exponential", "linear"):
        raise BadDelivery(f"delivery.backoffPolicy: {backoff!r} is neither exponential nor linear")
    retry = chosen.get("retry", 0)
    if not isinstance(retry, int) or isinstance(retry, bool) or retry < 0:
        raise BadDelivery("delivery.retry must be a whole number, 0 or more")
    timeout = chosen.get("timeout")
    return Policy(
        retry=retry,
        backoff=backoff,
        delay=parse_duration(chosen.get("backoffDelay", "PT0S")),
        timeout=None if timeout is None else parse_duration(timeout),
        structured=chosen.get("format") == "json",
    )


def parse_duration(text: object) -> float:
    """ISO 8601 (`PT0.2S`, `PT5M`) to seconds; months and years are no fixed time and refused."""
    match = _DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None or not any(match.groups()):
        raise BadDelivery(f"{text!r} is not an ISO 8601 duration like PT0.2S")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def wait(rule: Policy, attempts: int) -> float | None:
    """Seconds until the next attempt after `attempts` (≥ 1) failed ones; None: give up."""
    if attempts > rule.retry:
        return None
    if rule.backoff == "linear":
        return float(rule.delay * (attempts - 1))
    return float(rule.delay * 2 ** min(attempts - 1, _LONGEST_DOUBLING))


def judge(status: int, headers: Mapping[str, str], body: bytes) -> Delivered | Fault:
    """Say what a subscriber's answer means."""
    if status // 100 != _SUCCESS_CLASS:
        again = status in _RETRIED or status >= _SERVER_ERRORS
        return Fault(again=again, code=None if status == _UNCHANGED else status, body=body)
    if not body and not any(name.lower().startswith("ce-") for name in headers):
        return Delivered()
    return _reply(headers, body)


def unanswered(reason: str) -> Fault:
    """Describe a failed connection: Knative writes it down as a 500 of its own."""
    return Fault(again=True, code=500, body=f"dispatch error: {reason}".encode())


TIMED_OUT = Fault(again=True)


def dead_letter_attributes(fault: Fault, destination: str) -> dict[str, str]:
    """Make the extensions that a dead letter carries beside the original event's."""
    if fault.code is None:
        return {}
    attributes = {
        "knativeerrorcode": str(fault.code),
        "knativeerrordest": ascii(destination)[1:-1],  # an odd address must not spoil the letter
        "knativeerrordata": b64encode(fault.body[:_ERROR_DATA_BYTES]).decode(),
    }
    return {name: value for name, value in attributes.items() if value}


def _reply(headers: Mapping[str, str], body: bytes) -> Delivered | Fault:
    try:
        return Delivered(read_raw(headers, body))
    except MalformedEvent as error:
        if any(name.lower() == "ce-specversion" for name in headers):
            return Fault(again=False, code=HTTP_REFUSED, body=str(error).encode())
        return Fault(again=True)
