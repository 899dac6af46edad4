"""`POST /`: a notification of MinIO, Ceph, SNS or EventBridge, or a CloudEvent that carries one.

202 once the sink has accepted every event in it, 503 when the sink is away (the sender keeps the
notification and repeats it), 422 for what is no S3 notification.
"""

import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

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

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Webhook:
    """What a request needs."""

    settings: Settings
    sink: httpx.AsyncClient


@asynccontextmanager
async def _load(environ: Mapping[str, str]) -> AsyncIterator[Webhook]:
    async with client() as sink:
        yield Webhook(from_env(environ), sink)


async def _receive(request: Request) -> Response:
    webhook = loaded(request, Webhook)
    check_token(request.headers.get("authorization", ""), webhook.settings.token)
    notification = document(request.headers, await request.body())
    kind = sns_kind(notification, webhook.settings.topics)
    if kind in ("SubscriptionConfirmation", "UnsubscribeConfirmation"):
        address = str(notification.get("SubscribeURL"))
        log.warning("SNS %s: a person must open %s to confirm", kind, address)
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
