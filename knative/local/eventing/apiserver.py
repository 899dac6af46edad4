"""ApiServerSource: changes of objects in its namespace become events.

What existed before, or changed while nobody watched, gives none, as in Knative: whoever depends on
it needs a slow resync as well.
"""

import uuid
from collections.abc import Hashable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import httpx

from eventing.cloudevent import JSON, CloudEvent
from knative.local.eventing.control import Problem, Tasks, find_sink, follow, report
from knative.local.eventing.sinks import SINKS, emit
from knative.local.kinds import BY_KIND
from knative.local.store import Object, Store

_VERBS = {"ADDED": "add", "MODIFIED": "update", "DELETED": "delete"}


async def control(store: Store, client: httpx.AsyncClient, api: str) -> None:
    """Run every ApiServerSource; `api` is the API server's address, the events' source."""
    tasks = Tasks()

    async def step() -> None:
        wanted: dict[Hashable, Any] = {}
        for obj in store.list("ApiServerSource"):
            sink, unresolved = find_sink(store, obj, obj["spec"].get("sink"))
            invalid = _invalid(obj["spec"])
            fields = {"sinkUri": sink, "namespaces": [obj["metadata"]["namespace"]]}
            conditions = {"SinkProvided": unresolved, "SufficientPermissions": invalid}
            report(store, obj, fields, conditions)
            if sink and not invalid:
                key = (obj["metadata"]["uid"], obj["metadata"]["generation"], sink)
                wanted[key] = partial(_run, store, client, obj, (api, sink))
        await tasks.keep(wanted)

    try:
        await follow(store, ("ApiServerSource", *SINKS), step)
    finally:
        await tasks.end()


def _invalid(spec: Object) -> Problem:
    if spec.get("namespaceSelector") or spec.get("owner"):
        return ("NotSupported", "namespaceSelector and owner are not supported here")
    for resource in spec.get("resources") or []:
        kind = BY_KIND.get(resource.get("kind"))
        if kind is None or kind.api_version != resource.get("apiVersion"):
            return ("UnknownResource", f"no {resource.get('apiVersion')} {resource.get('kind')}")
        if (resource.get("selector") or {}).get("matchExpressions"):
            return ("NotSupported", "selector.matchExpressions is not supported here")
    return None


async def _run(store: Store, client: httpx.AsyncClient, obj: Object, ends: tuple[str, str]) -> None:
    api, sink = ends
    spec, namespace = obj["spec"], obj["metadata"]["namespace"]
    labels = {
        entry["kind"]: (entry.get("selector") or {}).get("matchLabels") or {}
        for entry in spec["resources"]
    }
    with store.subscribe(labels, store.revision()) as changes:
        while change := await changes.next():
            changed = change.object()
            meta, wanted = changed["metadata"], labels[changed["kind"]].items()
            if meta.get("namespace") == namespace and wanted <= (meta.get("labels") or {}).items():
                await emit(client, sink, _event(_VERBS[change.type], changed, spec, api))


def _event(verb: str, changed: Object, spec: Object, api: str) -> CloudEvent:
    resource_mode = spec.get("mode") == "Resource"
    meta, kind = changed["metadata"], BY_KIND[changed["kind"]]
    reference = {
        "apiVersion": kind.api_version,
        "kind": kind.kind,
        "name": meta["name"],
        "namespace": meta["namespace"],
    }
    overrides = (spec.get("ceOverrides") or {}).get("extensions") or {}
    flavour = "resource" if resource_mode else "ref"
    return CloudEvent(
        id=str(uuid.uuid4()),
        source=api,
        type=f"dev.knative.apiserver.{flavour}.{verb}",
        subject=f"/apis/{kind.api_version}/namespaces/{meta['namespace']}"
        f"/{kind.plural}/{meta['name']}",
        time=datetime.now(UTC),
        data=changed if resource_mode else reference,
        datacontenttype=JSON,
        extensions={name.lower(): value for name, value in reference.items()} | overrides,
    )
