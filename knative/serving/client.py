"""The Kubernetes client: async, typed errors, and a retry only where repeating does no harm.

A read is repeated after any passing fault. A write is repeated only when it surely did not arrive
(no connection, or 429): after anything else the caller looks again, because it may have.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from knative.serving import errors
from knative.serving.kubeconfig import Cluster
from knative.serving.objects import Object

_READ_TRIES = 4
_BACKOFF_SECONDS = 0.1
_PASSING = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Resource:
    """One kind, as the API names it."""

    group: str
    version: str
    plural: str
    kind: str
    namespaced: bool = True

    @property
    def api_version(self) -> str:
        """`apiVersion` of its objects."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def prefix(self) -> str:
        """Path before `/namespaces`."""
        return f"/apis/{self.api_version}" if self.group else f"/api/{self.version}"


SERVICES = Resource("serving.knative.dev", "v1", "services", "Service")
REVISIONS = Resource("serving.knative.dev", "v1", "revisions", "Revision")
PING_SOURCES = Resource("sources.knative.dev", "v1", "pingsources", "PingSource")
EVENTS = Resource("", "v1", "events", "Event")
PODS = Resource("", "v1", "pods", "Pod")
NODES = Resource("", "v1", "nodes", "Node", namespaced=False)


@dataclass(frozen=True, slots=True)
class Change:
    """One line of a watch: ADDED, MODIFIED or DELETED, and the object."""

    type: str
    object: Object


MANAGER = "marketresearch"
"""Who owns the fields that we write: the API server goes by the client's name."""


class KubeClient:
    """Objects of one namespace."""

    def __init__(self, cluster: Cluster, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self._cluster = cluster
        self.namespace = cluster.namespace
        # trust_env off: the API server is never behind the proxy that functions call each other by
        self._http = httpx.AsyncClient(
            base_url=cluster.server,
            transport=transport,
            verify=cluster.tls or True,
            timeout=15.0,
            trust_env=False,
            headers={"user-agent": MANAGER},
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def get(self, resource: Resource, name: str) -> Object:
        """Return one object; raises NotFound."""
        return await self._read(self._path(resource, name), {})

    async def list(
        self, resource: Resource, labels: Mapping[str, str] | None = None
    ) -> list[Object]:
        """Return the namespace's objects, of those `labels` alone when given."""
        query = _selector(labels)
        items: list[Object] = (await self._read(self._path(resource), query)).get("items") or []
        return items

    async def log(self, pod: str, container: str, lines: int) -> str:
        """Return the last `lines` of a Pod's container; raises KubeError."""
        query = {"container": container, "tailLines": str(lines)}
        path = f"{self._path(PODS, pod)}/log"
        try:
            response = await self._http.send(self._request("GET", path, query))
        except httpx.TransportError as error:
            raise _typed(error) from error
        if response.is_error:
            raise errors.of(response)
        return response.text

    async def watch(
        self, resource: Resource, name: str | None = None, since: str | None = None
    ) -> AsyncIterator[Change]:
        """Yield changes until the server ends the watch; raises Gone when `since` is too old."""
        query = {"watch": "true"} | ({"resourceVersion": since} if since else {})
        query |= {"fieldSelector": f"metadata.name={name}"} if name else {}
        request = self._request("GET", self._path(resource), query)
        request.extensions["timeout"] = {"connect": 5.0, "read": None, "write": 5.0, "pool": 5.0}
        response = await self._http.send(request, stream=True)
        try:
            if response.is_error:
                await response.aread()
                raise errors.of(response)
            async for line in response.aiter_lines():
                if line:
                    yield _change(json.loads(line))
        finally:
            await response.aclose()

    async def create(self, resource: Resource, obj: Object) -> Object:
        """Create; raises AlreadyExists."""
        return await self._write("POST", self._path(resource), obj)

    async def update(self, resource: Resource, obj: Object) -> Object:
        """Replace; raises Conflict when `metadata.resourceVersion` is not the newest."""
        return await self._write("PUT", self._path(resource, obj["metadata"]["name"]), obj)

    async def patch(self, resource: Resource, name: str, patch: Object) -> Object:
        """Merge-patch; conditional when the patch carries `metadata.resourceVersion`."""
        return await self._write("PATCH", self._path(resource, name), patch)

    async def delete(self, resource: Resource, name: str) -> None:
        """Delete; raises NotFound."""
        await self._write("DELETE", self._path(resource, name), None)

    def _path(self, resource: Resource, name: str = "") -> str:
        scope = f"/namespaces/{self.namespace}" if resource.namespaced else ""
        path = f"{resource.prefix}{scope}/{resource.plural}"
        return f"{path}/{name}" if name else path

    def _request(
        self, method: str, path: str, query: Mapping[str, str], body: Object | None = None
    ) -> httpx.Request:
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        headers = {"accept": "application/json", "content-type": kind}
        token = self._cluster.bearer()
        headers |= {"authorization": f"Bearer {token}"} if token else {}
        content = None if body is None else json.dumps(body).encode()
        return self._http.build_request(
            method, path, params=dict(query), headers=headers, content=content
        )

    async def _read(self, path: str, query: Mapping[str, str]) -> Object:
        for attempt in range(1, _READ_TRIES + 1):
            try:
                return _body(await self._http.send(self._request("GET", path, query)))
            except (httpx.TransportError, errors.KubeError) as error:
                passing = isinstance(error, httpx.TransportError) or error.status in _PASSING
                if not passing or attempt == _READ_TRIES:
                    raise _typed(error) from error
            await asyncio.sleep(_BACKOFF_SECONDS * 2**attempt)
        raise AssertionError  # the last attempt returns or raises

    async def _write(self, method: str, path: str, body: Object | None) -> Object:
        for attempt in range(1, _READ_TRIES + 1):
            try:
                return _body(await self._http.send(self._request(method, path, {}, body)))
            except (httpx.ConnectError, errors.TooManyRequests) as error:
                if attempt == _READ_TRIES:
                    raise _typed(error) from error
            except httpx.TransportError as error:
                raise _typed(error) from error
            await asyncio.sleep(_BACKOFF_SECONDS * 2**attempt)
        raise AssertionError  # the last attempt returns or raises


def _selector(labels: Mapping[str, str] | None) -> dict[str, str]:
    if not labels:
        return {}
    return {"labelSelector": ",".join(f"{key}={value}" for key, value in labels.items())}


def _body(response: httpx.Response) -> Object:
    if response.is_error:
        raise errors.of(response)
    body: Object = response.json() if response.content else {}
    return body


def _change(line: Mapping[str, Any]) -> Change:
    if line["type"] == "ERROR":
        raise errors.of_status(line["object"])
    return Change(line["type"], line["object"])


def _typed(error: Exception) -> errors.KubeError:
    if isinstance(error, errors.KubeError):
        return error
    return errors.Unreachable(0, "Unreachable", f"the Kubernetes API did not answer: {error!r}")
