"""What the API says about itself: discovery lists, version, OpenAPI v3; pure.

`kubectl apply` reads OpenAPI only to learn that patches take `fieldValidation`, and `kubectl
explain` to show fields; both are made from the table of kinds.
"""

from collections.abc import Iterator
from typing import Any

from knative.local.api.schemas import schema_of
from knative.local.kinds import KINDS, Kind

Doc = dict[str, Any]

# kubectl asks for v2 only about a kind that v3 does not have, to say itself that there is none: the
# empty document says so.
OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
_GVK = "x-kubernetes-group-version-kind"

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION: Doc = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+marketresearchai",
    "platform": "local/process",
}


def documents() -> Iterator[tuple[str, Doc]]:
    """Yield every document with its address."""
    groups = [_group(kind) for kind in {k.group: k for k in KINDS if k.group}.values()]
    prefixes = sorted({k.prefix for k in KINDS})
    yield "/version", VERSION
    yield "/api", {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}
    yield "/apis", {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
    for group in groups:
        yield f"/apis/{group['name']}", {"apiVersion": "v1", **group}
    paths = {prefix: {"serverRelativeURL": f"/openapi/v3/{prefix}"} for prefix in prefixes}
    yield "/openapi/v3", {"paths": paths}
    for prefix in prefixes:
        kinds = [k for k in KINDS if k.prefix == prefix]
        yield f"/{prefix}", _resources(kinds)
        yield f"/openapi/v3/{prefix}", _openapi(kinds)


def _group(kind: Kind) -> Doc:
    entry = {"groupVersion": kind.api_version, "version": kind.version}
    return {"kind": "APIGroup", "name": kind.group, "versions": [entry], "preferredVersion": entry}


def _resources(kinds: list[Kind]) -> Doc:
    found = [_resource(k) for k in kinds]
    found += [_sub(k, "status", ["get", "patch", "update"]) for k in kinds if k.has_status]
    found += [_sub(k, "log", ["get"]) for k in kinds if k.kind == "Pod"]
    head = {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": kinds[0].api_version}
    return {**head, "resources": found}


def _resource(kind: Kind) -> Doc:
    return {
        "name": kind.plural,
        "singularName": kind.kind.lower(),
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": VERBS,
        "shortNames": kind.short_names,
        "categories": kind.categories,
    }


def _sub(kind: Kind, name: str, verbs: list[str]) -> Doc:
    common = {"singularName": "", "namespaced": kind.namespaced, "kind": kind.kind}
    return {"name": f"{kind.plural}/{name}", **common, "verbs": verbs}


def _openapi(kinds: list[Kind]) -> Doc:
    schemas = {f"{k.api_version}.{k.kind}": {**schema_of(k.kind), _GVK: [_gvk(k)]} for k in kinds}
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": dict(_patch(k) for k in kinds),
        "components": {"schemas": schemas},
    }


def _patch(kind: Kind) -> tuple[str, Doc]:
    place = "namespaces/{namespace}/" if kind.namespaced else ""
    parameters = [{"name": name, "in": "query"} for name in ("dryRun", "fieldValidation")]
    operation = {"parameters": parameters, _GVK: _gvk(kind)}
    return f"/{kind.prefix}/{place}{kind.plural}/{{name}}", {"patch": operation}


def _gvk(kind: Kind) -> Doc:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}
