"""What a command acts on: a namespace's API server, its bucket, its Broker.

All of it is asked from the namespace itself (ConfigMap `marketresearch`, Broker `default`), so a
command needs no more than a kubeconfig and a name. A Broker has a cluster-internal address: the
proxy that knows it is the gateway of the platform in the data folder, elsewhere HTTP_PROXY.
"""

import json
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx

from eventing.cloudevent import CloudEvent, from_http, to_http
from functions.registry.errors import RegistryError, StoreUnavailable
from functions.registry.store import ModelStore, connect
from knative.serving.client import SERVICES, KubeClient, Resource
from knative.serving.errors import KubeError, Unreachable
from knative.serving.kubeconfig import NoCluster, find
from scripts.cluster import explain
from scripts.environment import chosen_by_caller, data_folder, is_local, load_target_env

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
BROKERS = Resource("eventing.knative.dev", "v1", "brokers", "Broker")
_LONG = 600.0
"""Seconds that a function may work on one call, such as a rebuild."""
SETTINGS, BROKER = "marketresearch", "default"


class TargetError(Exception):
    """The target refuses, or lacks something; one line says what to do. `code` is the exit code."""

    code = 1


class TargetUnreachable(TargetError):
    """There is no target, or it does not answer."""

    code = 3


def exit_code(error: TargetError | RegistryError) -> int:
    """Return the exit code: 3 where nothing answers, cluster or bucket, else 1."""
    if isinstance(error, TargetError):
        return error.code
    return TargetUnreachable.code if isinstance(error, StoreUnavailable) else TargetError.code


@dataclass(frozen=True, slots=True)
class Target:
    """One namespace and the bucket that belongs to it."""

    kube: KubeClient
    store: ModelStore
    endpoint: str

    async def send(self, event: CloudEvent) -> None:
        """Post an event to the namespace's Broker."""
        broker = await self.kube.get(BROKERS, BROKER)
        url = broker.get("status", {}).get("address", {}).get("url")
        if not url:
            raise TargetError(f"Broker {BROKER} in {self.kube.namespace} has no address yet")
        headers, body = to_http(event)
        async with httpx.AsyncClient(proxy=_proxy(os.environ), timeout=30) as client:
            answer = await client.post(url, headers=headers, content=body)
        if answer.status_code != httpx.codes.ACCEPTED:
            raise TargetError(f"the Broker answered {answer.status_code}: {answer.text[:200]}")

    async def call(self, service: str, method: str, path: str, body: object = None) -> Any:
        """Ask a function of the namespace, under its address inside the cluster, for JSON."""
        answer = await self._answer(service, method, path, json=body)
        return answer.json()

    async def tell(self, service: str, event: CloudEvent) -> CloudEvent | None:
        """Hand a function one event past the Broker, so that its reply comes here and nowhere else."""
        headers, body = to_http(event)
        asking = {**headers, "prefer": "reply"}
        answer = await self._answer(service, "POST", "/", headers=asking, content=body)
        return from_http(dict(answer.headers), answer.content) if answer.content else None

    async def _answer(self, service: str, method: str, path: str, **request: Any) -> httpx.Response:
        found = await self.kube.get(SERVICES, service)
        url = found.get("status", {}).get("address", {}).get("url")
        if not url:
            raise TargetError(f"Service {service} in {self.kube.namespace} has no address yet")
        async with httpx.AsyncClient(proxy=_proxy(os.environ), timeout=_LONG) as client:
            answer = await client.request(method, f"{url}{path}", **request)
        if not answer.is_success:
            raise TargetError(f"{service} answered {answer.status_code}: {_message(answer)}")
        return answer


@asynccontextmanager
async def target(namespace: str | None) -> AsyncIterator[Target]:
    """Open the target; errors of any part become one TargetError."""
    chosen = chosen_by_caller(os.environ)
    endpoint = load_target_env(os.environ)
    async with AsyncExitStack() as stack:
        try:
            cluster = find(os.environ)
            kube = KubeClient(replace(cluster, namespace=namespace or cluster.namespace))
            stack.push_async_callback(kube.close)
            store = ModelStore(connect("s3", os.environ), await _bucket(kube))
            yield Target(kube, store, endpoint)
        except NoCluster as error:
            why = f" ({chosen} is set, so the local platform is not meant)" if chosen else ""
            raise TargetUnreachable(explain(error) + why) from error
        except Unreachable as error:
            raise TargetUnreachable(explain(error)) from error
        except KubeError as error:
            raise TargetError(explain(error)) from error
        except httpx.HTTPError as error:
            raise TargetUnreachable(f"the platform does not answer: {error!r}") from error


def _message(answer: httpx.Response) -> str:
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, LookupError, TypeError):
        return answer.text[:200]


async def _bucket(kube: KubeClient) -> str:
    if bucket := os.environ.get("BUCKET"):
        return bucket
    settings = await kube.get(CONFIG_MAPS, SETTINGS)
    return str(settings["data"]["BUCKET"])


def _proxy(environ: Mapping[str, str]) -> str | None:
    """Return the way to addresses inside the cluster: the local platform's gateway, else HTTP_PROXY."""
    if is_local(environ):
        try:
            facts: dict[str, Any] = json.loads((data_folder() / "platform.json").read_text())
        except FileNotFoundError:
            pass
        else:
            return f"http://127.0.0.1:{facts['gateway']}"
    return environ.get("HTTP_PROXY")
