"""Who sent an SNS envelope: a signature, by a certificate that only SNS's own hosts hand out.

The envelope names the certificate that proves it, so what is believed is the address: HTTPS, at a host
of SNS. A subscription is confirmed the same way, and only for a topic that is listed.
"""

import asyncio
import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from functions.runtime.errors import Forbidden, Unavailable

NOTIFICATION, SUBSCRIPTION = "Notification", "SubscriptionConfirmation"
TYPES = (NOTIFICATION, SUBSCRIPTION, "UnsubscribeConfirmation")
_HOST = re.compile(r"sns\.[a-z0-9-]{1,40}\.amazonaws\.com(\.cn)?")
_TOLD = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_ASKED = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")
_CERTIFICATES = 8
"""Certificates kept; SNS has one a region, and renews it once a year."""
Envelope = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Sns:
    """SNS as the one who signs; `client` reaches its hosts."""

    client: httpx.AsyncClient
    _known: dict[str, Any] = field(default_factory=dict)

    async def check(self, envelope: Envelope, now: datetime) -> None:
        """Raise Forbidden unless SNS signed this; Unavailable while its certificate is out of reach."""
        address = its_own(envelope.get("SigningCertURL"))
        if address not in self._known:
            while len(self._known) >= _CERTIFICATES:
                self._known.pop(next(iter(self._known)))
            self._known[address] = await self._fetched(address)
        await asyncio.to_thread(verify, envelope, self._known[address], now)

    async def confirm(self, envelope: Envelope) -> None:
        """Let SNS know that the subscription is wanted."""
        await self._get(its_own(envelope.get("SubscribeURL")))

    async def _fetched(self, address: str) -> Any:
        from cryptography.x509 import load_pem_x509_certificate  # noqa: PLC0415 - only SNS needs it

        try:
            return load_pem_x509_certificate(await self._get(address))
        except ValueError as error:
            raise Forbidden(f"{address} is no certificate") from error

    async def _get(self, address: str) -> bytes:
        try:
            answer = await self.client.get(address)
        except httpx.HTTPError as error:
            raise Unavailable(f"SNS cannot be asked now: {error!r}") from error
        if answer.status_code != httpx.codes.OK:
            raise Unavailable(f"SNS answered {answer.status_code}")
        return answer.content


def its_own(address: object) -> str:
    """Return an address if it is SNS's own; Forbidden otherwise."""
    text = address if isinstance(address, str) else ""
    try:
        parts = urlsplit(text)
        place = (parts.scheme, parts.port or 443, parts.username, parts.password)
    except ValueError as error:
        raise Forbidden(f"{text[:200]!r} is no address") from error
    if place != ("https", 443, None, None) or not _HOST.fullmatch(parts.hostname or ""):
        raise Forbidden(f"{text[:200]!r} is no address of SNS")
    return text


def signed_text(envelope: Envelope) -> bytes:
    """Return what SNS signs: names and values, a line each, in this order."""
    names = _TOLD if envelope.get("Type") == NOTIFICATION else _ASKED
    lines = (f"{name}\n{envelope[name]}\n" for name in names if envelope.get(name) is not None)
    return "".join(lines).encode()


def verify(envelope: Envelope, certificate: Any, now: datetime) -> None:
    """Raise Forbidden unless the certificate is good now and made the envelope's signature."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415 - only SNS needs it
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15  # noqa: PLC0415 - as above
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256  # noqa: PLC0415 - as above

    if not certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc:
        raise Forbidden("the certificate of the SNS envelope is not valid now")
    # Version 1 is what SNS sends unless its topic asks for the other.
    kinds = {"1": SHA1(), "2": SHA256()}  # noqa: S303 - as said
    try:
        signature = b64decode(str(envelope.get("Signature")), validate=True)
        kind = kinds[str(envelope.get("SignatureVersion"))]
        certificate.public_key().verify(signature, signed_text(envelope), PKCS1v15(), kind)
    except (binascii.Error, KeyError, InvalidSignature, UnicodeEncodeError) as error:
        raise Forbidden("SNS did not sign this") from error
