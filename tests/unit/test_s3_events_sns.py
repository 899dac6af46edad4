"""SNS at the webhook: only what SNS itself signed, of topics that are listed, with the token."""

import base64
import contextlib
import json
import logging
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from functions.runtime.app import build_app
from functions.runtime.errors import Forbidden
from functions.s3_events.app import Webhook, function
from functions.s3_events.settings import from_env
from functions.s3_events.sns import Sns, its_own, signed_text
from tests.support.subscriber import Subscriber, subscriber

TOPIC = "arn:aws:sns:eu-central-1:1:uploads"
SNS_HOST = "https://sns.eu-central-1.amazonaws.com"
CERTIFICATE, CONFIRM = f"{SNS_HOST}/SimpleNotificationService-1.pem", f"{SNS_HOST}/?Action=Confirm"
NOW = datetime.now(UTC)
DAY = timedelta(days=1)
RECORD = {
    "eventSource": "aws:s3",
    "awsRegion": "eu-central-1",
    "eventName": "ObjectCreated:Put",
    "s3": {"bucket": {"name": "b"}, "object": {"key": "documents/ü.md"}},
}
KEY = rsa.generate_private_key(65537, 2048)


def certificate(until: datetime = NOW + DAY) -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 1, NOW - 2 * DAY, until)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def envelope(kind: str = "Notification", version: str = "2", **more: str) -> dict[str, str]:
    found = {
        "Type": kind,
        "MessageId": "1",
        "TopicArn": TOPIC,
        "Message": json.dumps({"Records": [RECORD]}, ensure_ascii=False),
        "Timestamp": "2026-01-02T03:04:05.678Z",
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
        **more,
    }
    how = hashes.SHA256() if version == "2" else hashes.SHA1()  # noqa: S303 - what SNS does
    signature = KEY.sign(signed_text(found), padding.PKCS1v15(), how)
    return {**found, "Signature": base64.b64encode(signature).decode()}


@dataclass
class Hosts:
    """What lies at SNS's addresses; `asked` keeps them."""

    answers: Mapping[str, bytes] = field(default_factory=lambda: {CERTIFICATE: certificate()})
    asked: list[str] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(str(request.url))
        content = self.answers.get(str(request.url))
        return httpx.Response(200 if content is not None else 500, content=content or b"")

    async def take(
        self, *documents: Mapping[str, Any], shown: str = "t"
    ) -> tuple[list[int], Subscriber]:
        @contextlib.asynccontextmanager
        async def load(environ: Mapping[str, str]) -> AsyncIterator[Webhook]:
            there = httpx.MockTransport(self.answer)
            async with httpx.AsyncClient() as sink, httpx.AsyncClient(transport=there) as sns:
                yield Webhook(from_env(environ), sink, Sns(sns))

        async with subscriber() as sink:
            environ = {"K_SINK": sink.url, "WEBHOOK_TOKEN": "t", "SNS_TOPIC_ARNS": TOPIC}
            app = build_app(replace(function, load=load), environ)
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            async with (
                app.router.lifespan_context(app),
                httpx.AsyncClient(transport=transport, base_url="http://hook") as client,
            ):
                await app.state.lifecycle.settled()
                headers = {"authorization": f"Bearer {shown}"}
                bodies = [json.dumps(one).encode() for one in documents]
                answers = [await client.post("/", headers=headers, content=one) for one in bodies]
        return [answer.status_code for answer in answers], sink


@pytest.mark.parametrize("more", [{}, {"Subject": "Amazon S3 Notification"}])
@pytest.mark.parametrize("version", ["1", "2"])
async def test_what_sns_signed_becomes_an_event(version: str, more: dict[str, str]) -> None:
    hosts = Hosts()
    statuses, sink = await hosts.take(*[envelope(version=version, **more)] * 2)
    assert statuses == [202, 202]
    assert [received.event.subject for received in sink.received] == ["documents/ü.md"] * 2
    assert hosts.asked == [CERTIFICATE]


@pytest.mark.parametrize(
    "change",
    [{"Message": json.dumps({"Records": []})}, {"Subject": "added"}, {"Timestamp": "2027"},
     {"Signature": ""}, {"Signature": "AAAA"}, {"Signature": "%"}, {"SignatureVersion": "3"},
     {"SigningCertURL": "https://sns.evil.com/a.pem"}, {"Message": "\ud800"}],
    ids=str,
)  # fmt: skip
async def test_what_was_changed_on_its_way_is_refused(change: dict[str, str]) -> None:
    statuses, sink = await Hosts().take({**envelope(), **change})
    assert (statuses, sink.received) == ([403], [])


async def test_the_token_is_asked_for_all_the_same() -> None:
    statuses, sink = await Hosts().take(envelope(), shown="wrong")
    assert (statuses, sink.received) == ([401], [])


@pytest.mark.parametrize(
    ("answers", "status"),
    [({}, 503), ({CERTIFICATE: b"none"}, 403), ({CERTIFICATE: certificate(NOW - DAY)}, 403)],
)
async def test_a_certificate_that_is_away_may_come_and_a_bad_one_proves_nothing(
    answers: dict[str, bytes], status: int
) -> None:
    statuses, sink = await Hosts(answers).take(envelope())
    assert (statuses, sink.received) == ([status], [])


async def test_a_subscription_to_a_listed_topic_is_confirmed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hosts = Hosts({CERTIFICATE: certificate(), CONFIRM: b""})
    asked = envelope("SubscriptionConfirmation", SubscribeURL=CONFIRM, Token="x")  # noqa: S106 - as SNS names it
    with caplog.at_level(logging.WARNING):
        statuses, sink = await hosts.take(asked)
    assert (statuses, sink.received) == ([202], [])
    assert hosts.asked == [CERTIFICATE, CONFIRM]
    assert TOPIC in caplog.text


async def test_the_end_of_a_subscription_is_not_undone() -> None:
    hosts = Hosts()
    asked = envelope("UnsubscribeConfirmation", SubscribeURL=CONFIRM, Token="x")  # noqa: S106 - as above
    statuses, _ = await hosts.take(asked)
    assert (statuses, hosts.asked) == ([202], [CERTIFICATE])


@pytest.mark.parametrize(
    "address",
    [None, "", "http://sns.eu-central-1.amazonaws.com/a", "https://sns.eu.amazonaws.com.evil.com/",
     "https://evil.com/sns.eu.amazonaws.com", "https://x@sns.eu.amazonaws.com/",
     "https://sns.eu.amazonaws.com:8443/", "https://sns.a.b.amazonaws.com/", "https://[",
     "https://s3.amazonaws.com/sns.eu.amazonaws.com"],
)  # fmt: skip
def test_only_addresses_of_sns_are_asked(address: str | None) -> None:
    with pytest.raises(Forbidden):
        its_own(address)


def test_china_has_hosts_of_its_own() -> None:
    assert its_own("https://sns.cn-north-1.amazonaws.com.cn/a.pem")
