"""PingSource, ContainerSource and SinkBinding, as Knative has them.

A PingSource ticks from the moment it is Ready and stops at once when deleted; a tick that its sink
refuses is lost, a tick missed while the platform was down is not made up for. A ContainerSource is
one Pod that is told its sink as `K_SINK`. A SinkBinding writes `K_SINK` into a Service's template.
"""

import asyncio
import base64
import hashlib
import json
import re
import uuid
from collections.abc import Hashable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

import httpx
from cronsim import CronSim, CronSimError

from eventing.cloudevent import JSON, CloudEvent
from eventing.events import PING
from knative.local.conditions import is_true, owner_reference
from knative.local.errors import Conflict, NotFound
from knative.local.eventing.control import Problem, Tasks, find_sink, follow, report
from knative.local.eventing.sinks import emit
from knative.local.store import Object, Store

_FIELD = re.compile(r"[0-9A-Za-z*/,\-]+")
_FIVE_OR_SIX = (5, 6)
_LONGEST_SLEEP = 60.0  # a clock that jumps is noticed within this
SINKS = ("Broker", "Service")


def schedule(expression: str, timezone: str | None, now: datetime) -> Iterator[datetime]:
    """Iterate the times of a five- or six-field cron expression; ValueError says what is wrong."""
    fields = expression.replace("?", "*").split()
    if len(fields) not in _FIVE_OR_SIX or not all(_FIELD.fullmatch(field) for field in fields):
        raise ValueError(f"schedule {expression!r} is not a cron expression of 5 or 6 fields")
    try:
        zone = ZoneInfo(timezone) if timezone else UTC
        times: Iterator[datetime] = CronSim(" ".join(fields), now.astimezone(zone))
    except (CronSimError, KeyError, ValueError) as error:
        raise ValueError(f"schedule {expression!r} {timezone or ''}: {error}") from error
    return times


async def control_pings(store: Store, client: httpx.AsyncClient) -> None:
    """Run every PingSource."""
    tasks = Tasks()

    async def step() -> None:
        wanted: dict[Hashable, Any] = {}
        for obj in store.list("PingSource"):
            sink, unresolved = find_sink(store, obj, obj["spec"].get("sink"))
            invalid = _invalid_ping(obj["spec"])
            conditions = {"SinkProvided": unresolved, "ValidSchedule": invalid, "Deployed": None}
            report(store, obj, {"sinkUri": sink}, conditions)
            if sink and not invalid:
                key = (obj["metadata"]["uid"], obj["metadata"]["generation"], sink)
                wanted[key] = partial(_tick, client, obj, sink)
        await tasks.keep(wanted)

    try:
        await follow(store, ("PingSource", *SINKS), step)
    finally:
        await tasks.end()


def _invalid_ping(spec: Object) -> Problem:
    try:
        schedule(spec.get("schedule", ""), spec.get("timezone"), datetime.now(UTC))
        base64.b64decode(spec.get("dataBase64", ""), validate=True)
    except ValueError as error:
        return ("InvalidSchedule", str(error))
    return None


async def _tick(client: httpx.AsyncClient, obj: Object, sink: str) -> None:
    spec = obj["spec"]
    async with asyncio.TaskGroup() as sending:
        for due in schedule(spec["schedule"], spec.get("timezone"), datetime.now(UTC)):
            await _until(due)
            sending.create_task(_send(client, sink, _ping(obj)))


async def _until(due: datetime) -> None:
    while (left := (due - datetime.now(UTC)).total_seconds()) > 0:  # noqa: ASYNC110 - no event tells the time
        await asyncio.sleep(min(left, _LONGEST_SLEEP))


async def _send(client: httpx.AsyncClient, sink: str, event: CloudEvent) -> None:
    await emit(client, sink, event)


def _ping(obj: Object) -> CloudEvent:
    spec, meta = obj["spec"], obj["metadata"]
    content_type = spec.get("contentType", JSON)
    data: Any = spec.get("data", "").encode() or base64.b64decode(spec.get("dataBase64", ""))
    return CloudEvent(
        id=str(uuid.uuid4()),
        source=f"/apis/v1/namespaces/{meta['namespace']}/pingsources/{meta['name']}",
        type=PING,
        time=datetime.now(UTC),
        data=data or None,
        datacontenttype=content_type if data else None,
        extensions=(spec.get("ceOverrides") or {}).get("extensions") or {},
    )


async def control_containers(store: Store) -> None:
    """Keep one Pod for every ContainerSource."""

    async def step() -> None:
        for obj in store.list("ContainerSource"):
            sink, unresolved = find_sink(store, obj, obj["spec"].get("sink"))
            pod = None if sink is None else _keep_pod(store, obj, sink)
            waiting = ("PodNotReady", "the Pod of this source is not ready")
            ready = pod is not None and is_true(pod)
            conditions = {
                "SinkProvided": unresolved,
                "ReceiveAdapterReady": None if ready else waiting,
            }
            report(store, obj, {"sinkUri": sink}, conditions)

    await follow(store, ("ContainerSource", "Pod", *SINKS), step)


def _keep_pod(store: Store, obj: Object, sink: str) -> Object:
    """Make the source's Pod; another template or sink is another Pod, the old one goes first."""
    wanted = _pod(obj, sink)
    name, namespace = wanted["metadata"]["name"], wanted["metadata"]["namespace"]
    label = wanted["metadata"]["labels"]
    for pod in store.list("Pod", namespace, {_LABEL: label[_LABEL]}):
        if pod["metadata"]["name"] != name:
            store.delete("Pod", namespace, pod["metadata"]["name"])
    try:
        return store.get("Pod", namespace, name)
    except NotFound:
        return store.create(wanted)


_LABEL = "sources.knative.dev/containerSource"


def _pod(obj: Object, sink: str) -> Object:
    template, meta = obj["spec"]["template"], obj["metadata"]
    overrides = json.dumps(obj["spec"].get("ceOverrides") or {})
    spec = _with_env(template["spec"], {"K_SINK": sink, "K_CE_OVERRIDES": overrides})
    mark = hashlib.sha256(json.dumps([meta["uid"], spec], sort_keys=True).encode()).hexdigest()[:8]
    labels = {**(template.get("metadata") or {}).get("labels", {}), _LABEL: meta["name"]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{meta['name']}-{mark}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": (template.get("metadata") or {}).get("annotations", {}),
            "ownerReferences": [owner_reference(obj)],
        },
        "spec": {"restartPolicy": "Always", **spec},
    }


def _with_env(pod_spec: Object, values: dict[str, str]) -> Object:
    containers = []
    for container in pod_spec["containers"]:
        kept = [entry for entry in container.get("env") or [] if entry["name"] not in values]
        added = [{"name": name, "value": value} for name, value in values.items()]
        containers.append({**container, "env": [*kept, *added]})
    return {**pod_spec, "containers": containers}


async def control_bindings(store: Store) -> None:
    """Keep `K_SINK` in the template of every Knative Service that a SinkBinding names."""

    async def step() -> None:
        for obj in store.list("SinkBinding"):
            sink, unresolved = find_sink(store, obj, obj["spec"].get("sink"))
            subject = None if sink is None else _bind(store, obj, sink)
            conditions = {"SinkProvided": unresolved, "SubjectBound": subject}
            report(store, obj, {"sinkUri": sink}, conditions)

    await follow(store, ("SinkBinding", *SINKS), step)


def _bind(store: Store, obj: Object, sink: str) -> Problem:
    subject = obj["spec"].get("subject") or {}
    if subject.get("kind") != "Service" or not subject.get("name"):
        return ("SubjectNotSupported", "only a Knative Service, by its name, can be bound here")
    namespace = subject.get("namespace") or obj["metadata"]["namespace"]
    try:
        service = store.get("Service", namespace, subject["name"])
    except NotFound as error:
        return ("SubjectMissing", error.message)
    template = service["spec"]["template"]
    bound = _with_env(template["spec"], {"K_SINK": sink})
    if bound != template["spec"]:
        template["spec"] = bound
        with suppress(Conflict):  # somebody else wrote: that change brings us here again
            store.update(service)
    return None
