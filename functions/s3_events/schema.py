"""Who may send, and what was sent: read strictly, before anything is believed.

MinIO and Ceph show the token as `Authorization: Bearer`, SNS and other senders that only know an
address as the password in it (`https://any:TOKEN@host/`). Of SNS only listed topics pass, with the
token and with SNS's signature (sns.py).
"""

import binascii
import hmac
import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from eventing.cloudevent import MalformedEvent, from_http
from functions.runtime.errors import BadRequest, Forbidden, Unauthorized
from functions.s3_events.sns import TYPES


def check_token(authorization: str, token: str) -> None:
    """Compare what the sender shows with the token, in constant time."""
    if not token:
        raise Unauthorized("this webhook has no token configured, so it takes nothing")
    if not hmac.compare_digest(_shown(authorization).encode(), token.encode()):
        raise Unauthorized("the token is missing or wrong")


def _shown(authorization: str) -> str:
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() != "basic":
        return authorization
    try:
        return b64decode(rest, validate=True).decode().partition(":")[2]
    except (binascii.Error, UnicodeDecodeError):
        return ""


def document(headers: Mapping[str, str], body: bytes) -> dict[str, Any]:
    """Return the notification: the body, or the data of the CloudEvent that carries it."""
    found = _found(headers, body)
    if not isinstance(found, dict):
        raise BadRequest("a notification is a JSON object")
    return found


def _found(headers: Mapping[str, str], body: bytes) -> Any:
    content_type = headers.get("content-type", "").lower()
    if "ce-specversion" not in headers and not content_type.startswith("application/cloudevents"):
        return _json(body)
    try:
        data = from_http(headers, body).data
    except MalformedEvent as error:
        raise BadRequest(str(error)) from error
    return _json(data) if isinstance(data, bytes | str) else data


def _json(body: bytes | str) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error


def sns_kind(notification: Mapping[str, Any], topics: frozenset[str]) -> str | None:
    """Return the SNS envelope's type, None when it is no SNS envelope; Forbidden if not listed."""
    kind, topic = notification.get("Type"), notification.get("TopicArn")
    if kind not in TYPES and topic is None:
        return None
    if not isinstance(topic, str) or topic not in topics:
        raise Forbidden(f"SNS topic {topic!r} is not in SNS_TOPIC_ARNS")
    return str(kind)
