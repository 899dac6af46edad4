"""What the eventing webhook refuses, and what it lets in."""

import re
from typing import Any

import pytest

from knative.local.errors import BadRequest
from knative.local.eventing.rules import check_broker, check_ping, check_trigger
from knative.local.serving.rules import Settings

TRIGGER = {"broker": "default", "subscriber": {"uri": "http://x.example/"}}
ADMISSIONS: list[tuple[Any, dict[str, Any], dict[str, Any] | None, str]] = [
    (check_trigger, TRIGGER | {"filters": [{"exact": {"A": "b"}}]}, None, "attribute name"),
    (check_trigger, TRIGGER | {"filters": [{"cesql": "nope ("}]}, None, "not supported"),
    (check_trigger, TRIGGER | {"delivery": {"retryAfterMax": "PT1S"}}, None, "retryAfterMax"),
    (check_trigger, {"broker": "default"}, None, "missing field(s): spec.subscriber"),
    (check_trigger, TRIGGER, TRIGGER | {"broker": "other"}, "Immutable fields changed"),
    (check_broker, {"delivery": {"backoffDelay": "5"}}, None, "ISO 8601"),
    (check_ping, {"schedule": "@every 5s"}, None, "cron expression"),
    (check_ping, {"schedule": "* * * * *", "data": "a", "dataBase64": "YQ=="}, None, "expected"),
]


@pytest.mark.parametrize(("check", "spec", "old", "says"), ADMISSIONS)
def test_what_the_webhook_refuses_never_gets_in(
    check: Any, spec: dict[str, Any], old: dict[str, Any] | None, says: str
) -> None:
    with pytest.raises(BadRequest, match=re.escape(says)) as refusal:
        check({"spec": spec}, None if old is None else {"spec": old}, Settings())
    assert refusal.value.message.startswith('admission webhook "validation.webhook.eventing')


def test_what_is_right_gets_in() -> None:
    check_trigger({"spec": TRIGGER}, {"spec": TRIGGER}, Settings())
    check_broker({}, None, Settings())
    check_ping({"spec": {"schedule": "*/15 * * * *"}}, None, Settings())
