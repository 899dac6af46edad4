"""Which digests must stay: those of every Revision that traffic, a tag or a template names.

A container names its model by the template's annotation, or a second one in its environment.
A rollback target is a tagged Revision at 0 %, so it counts. Without an answer from the API server
nobody knows, and then nothing may be dropped.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any

from functions.registry.manifest import is_digest
from functions.runtime.errors import Unavailable
from knative.serving.client import REVISIONS, SERVICES, KubeClient
from knative.serving.errors import KubeError
from knative.serving.objects import model_of

Object = dict[str, Any]
InUse = Callable[[], Awaitable[frozenset[str]]]
"""Asks for the digests in use; raises Unavailable when nobody can say."""


def named_digests(services: Iterable[Object], revisions: Iterable[Object]) -> frozenset[str]:
    """Return the digests that these Services serve, could roll back to, or will serve."""
    services = list(services)
    routed = {name for service in services for name in _routed(service)}
    bearers = [service["spec"]["template"] for service in services]
    bearers += [item for item in revisions if item["metadata"]["name"] in routed]
    return frozenset(digest for bearer in bearers for digest in _named(bearer))


def ask(client: KubeClient) -> InUse:
    """Ask this API server, for its own namespace."""

    async def in_use() -> frozenset[str]:
        try:
            return named_digests(await client.list(SERVICES), await client.list(REVISIONS))
        except KubeError as error:
            raise Unavailable(f"the Services cannot be read: {error}") from error

    return in_use


def nobody_knows(reason: str) -> InUse:
    """Answer for a place without an API server."""

    async def in_use() -> frozenset[str]:
        raise Unavailable(f"the Services cannot be read: {reason}")

    return in_use


def _named(bearer: Object) -> Iterator[str]:
    """Yield the digests that a template, or a Revision, names."""
    yield from filter(None, model_of(bearer)[1:])
    for container in bearer["spec"].get("containers") or []:
        values = (variable.get("value") or "" for variable in container.get("env") or [])
        yield from filter(is_digest, values)


def _routed(service: Object) -> Iterator[str]:
    for part in ("spec", "status"):
        for target in service.get(part, {}).get("traffic") or []:
            yield target.get("revisionName", "")
