"""`POST /`: a notification of MinIO, Ceph, SNS or EventBridge, or a CloudEvent that carries one.

202 once the sink has accepted every event in it, 503 when the sink is away (the sender keeps the
notification and repeats it), 422 for what is no S3 notification.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from eventing import sender, story
from eventing.cloudevent import CloudEvent, begin_trace, to_http
from eventing.delivery import Fault, judge, unanswered
from eventing.s3 import read_document
from functions.runtime.errors import Invalid, Unavailable
from functions.runtime.function import Function, loaded, no_warmup
from functions.runtime.http import client
from functions.s3_events.schema import check_token, document, sns_kind
from functions.s3_events.settings import Settings, from_env
from functions.s3_events.sns import NOTIFICATION, SUBSCRIPTION, Sns

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Webhook:
    """What a request needs."""

    settings: Settings
    sink: httpx.AsyncClient
    sns: Sns


@asynccontextmanager
async def _load(environ: Mapping[str, str]) -> AsyncIterator[Webhook]:
    async with client() as network:
        yield Webhook(from_env(environ), network, Sns(network))


async def _receive(request: Request) -> Response:
    webhook = loaded(request, Webhook)
    check_token(request.headers.get("authorization", ""), webhook.settings.token)
    notification = document(request.headers, await request.body())
    if not await _is_news(webhook, notification):
        return Response(status_code=202)
    reading = read_document(notification)
    for refusal in reading.refused:
        log.warning("not understood: %s", refusal)
    if reading.refused and not reading.events:
        raise Invalid("; ".join(reading.refused))
    for event in map(begin_trace, reading.events):
        await _hand_over(webhook, event)
        story.began(event, "accepted")
    return Response(status_code=202)


async def _is_news(webhook: Webhook, notification: dict[str, Any]) -> bool:
    """Check an SNS envelope, and deal with one that is about the subscription itself."""
    kind = sns_kind(notification, webhook.settings.topics)
    if kind is None:
        return True
    await webhook.sns.check(notification, datetime.now(UTC))
    if kind == SUBSCRIPTION:
        await webhook.sns.confirm(notification)
    if kind != NOTIFICATION:
        log.warning("SNS %s of %s", kind, notification["TopicArn"])
    return kind == NOTIFICATION


async def _hand_over(webhook: Webhook, event: CloudEvent) -> None:
    headers, body = to_http(event)
    try:
        shown = {**headers, **sender.shown()}
        answer = await webhook.sink.post(webhook.settings.sink, headers=shown, content=body)
    except httpx.HTTPError as error:
        outcome: object = unanswered(str(error))
    else:
        outcome = judge(answer.status_code, answer.headers, answer.content)
    if isinstance(outcome, Fault):
        log.warning("the sink did not take %s: %s", event.id, outcome.code)
        if outcome.again:
            raise Unavailable("the sink does not take events now")
        raise Invalid(f"the sink refused the event of {event.subject}")


function = Function(
    name="s3-events",
    load=_load,
    routes=[Route("/", _receive, methods=["POST"])],
    warm=no_warmup,
)
