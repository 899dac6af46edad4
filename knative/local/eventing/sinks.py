"""Where a Destination leads, and how a source hands an event over. No sink, no guess: a reason."""

import asyncio
import logging
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx

from eventing.cloudevent import CloudEvent, to_http
from knative.local.errors import NotFound
from knative.local.store import Object, Store

INTERNAL = "svc.cluster.local"
INGRESS = f"http://broker-ingress.knative-eventing.{INTERNAL}"
SINKS = ("Broker", "Service")  # the kinds that a ref may lead to
_RETRIED = {404, 429, 503}
_ATTEMPTS = 6
_FIRST_PAUSE = 0.2  # seconds, doubled each time
_log = logging.getLogger(__name__)


class Unresolved(LookupError):
    """The destination leads nowhere now: reason and message of a condition."""


def broker_url(namespace: str, name: str) -> str:
    """Return the address of a Broker."""
    return f"{INGRESS}/{namespace}/{name}"


def resolve(store: Store, destination: Any, namespace: str) -> str:
    """Return the URL of a Destination (`ref`, `uri`, or a `uri` relative to the `ref`)."""
    if not isinstance(destination, dict):
        raise Unresolved("NoDestination", "expected at least one of ref and uri")
    ref, uri = destination.get("ref"), destination.get("uri")
    if ref:
        base = _resolve_ref(store, ref, ref.get("namespace") or namespace)
        return urljoin(base, uri) if uri else base
    if not _is_address(str(uri)):
        raise Unresolved("InvalidDestination", f"URI {uri!r} is not an absolute http address")
    return str(uri)


def _is_address(uri: str) -> bool:
    try:
        parts = urlsplit(uri)
    except ValueError:
        return False
    plain = uri.isascii() and uri.isprintable()
    return plain and parts.scheme in ("http", "https") and bool(parts.hostname)


def _resolve_ref(store: Store, ref: Object, namespace: str) -> str:
    kind, name = ref.get("kind"), ref.get("name", "")
    group = str(ref.get("apiVersion", "")).partition("/")[0]
    if (kind, group) not in (
        ("Service", "serving.knative.dev"),
        ("Broker", "eventing.knative.dev"),
    ):
        raise Unresolved("NotAddressable", f"{ref.get('apiVersion')} {kind} is not addressable")
    try:
        store.get(str(kind), namespace, name)
    except NotFound as error:
        raise Unresolved("NotFound", f"failed to get object {namespace}/{name}: {error}") from error
    return (
        broker_url(namespace, name) if kind == "Broker" else f"http://{name}.{namespace}.{INTERNAL}"
    )


def gateway_client(gateway_port: int) -> httpx.AsyncClient:
    """Make a client to whom the gateway is the proxy for cluster names, as to every process."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=32)
    proxy = httpx.AsyncHTTPTransport(proxy=f"http://127.0.0.1:{gateway_port}", limits=limits)
    return httpx.AsyncClient(
        mounts={f"all://*.{INTERNAL}": proxy},
        limits=limits,
        timeout=httpx.Timeout(None),  # each delivery has its own limit
        trust_env=False,
    )


async def emit(client: httpx.AsyncClient, url: str, event: CloudEvent) -> None:
    """Hand an event to a sink as Knative's own sources do: 500 and 400 are final, it is lost."""
    headers, body = to_http(event)
    for attempt in range(_ATTEMPTS):
        status = await _post(client, url, headers, body)
        if httpx.codes.is_success(status):
            return
        if status not in _RETRIED:
            break
        await asyncio.sleep(_FIRST_PAUSE * 2**attempt)
    _log.warning("event %s of %s was not taken by %s", event.type, event.source, url)


async def _post(client: httpx.AsyncClient, url: str, headers: dict[str, str], body: bytes) -> int:
    try:
        return (await client.post(url, headers=headers, content=body, timeout=30)).status_code
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        _log.info("sink %s: %s", url, error)
        return 503
