"""ApiServerSource: changes of objects in its namespace become events.

What existed before, or changed while nobody watched, gives none, as in Knative: whoever depends on
it needs a slow resync as well.
"""

import uuid
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

import httpx

from eventing.cloudevent import JSON, CloudEvent
from knative.local.eventing.control import Judged, Problem
from knative.local.eventing.sinks import emit
from knative.local.kinds import BY_KIND
from knative.local.store import Object, Store

_VERBS = {"ADDED": "add", "MODIFIED": "update", "DELETED": "delete"}


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where the changes come from; `api` is the API server's address, the events' source."""

    store: Store
    client: httpx.AsyncClient
    api: str

    def judge(self, obj: Object, sink: str | None) -> Judged:
        """Tell of changes where all that is asked for can be told of."""
        invalid = _invalid(obj["spec"])
        work = None if invalid else partial(self._run, obj, str(sink))
        fields = {"namespaces": [obj["metadata"]["namespace"]]}
        return Judged({"SufficientPermissions": invalid}, fields, work)

    async def _run(self, obj: Object, sink: str) -> None:
        spec, namespace = obj["spec"], obj["metadata"]["namespace"]
        labels = {
            entry["kind"]: (entry.get("selector") or {}).get("matchLabels") or {}
            for entry in spec["resources"]
        }
        with self.store.subscribe(labels, self.store.revision()) as changes:
            while change := await changes.next():
                changed = change.object()
                meta, wanted = changed["metadata"], labels[changed["kind"]].items()
                here = meta.get("namespace") == namespace
                if here and wanted <= (meta.get("labels") or {}).items():
                    event = _event(_VERBS[change.type], changed, spec, self.api)
                    await emit(self.client, sink, event)


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
