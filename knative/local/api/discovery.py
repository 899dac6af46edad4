"""What the API says about itself: discovery lists, version, OpenAPI v3; pure.

`kubectl apply` reads OpenAPI only to learn that patches take `fieldValidation`, and `kubectl
explain` to show fields; both are made from kinds.py and schemas.json.
"""

from typing import Any

from knative.local.api.schemas import schemas
from knative.local.kinds import KINDS, Kind, groups

Doc = dict[str, Any]

OPENAPI_V2 = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
VERSION: Doc = {
    "major": "1",
    "minor": "36",
    "gitVersion": "v1.36.0+marketresearchai",
    "platform": "local/process",
}
PATCHES = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
)
STRATEGIC = "application/strategic-merge-patch+json"
PARAMETERS = ("dryRun", "fieldManager", "fieldValidation", "force", "pretty")


def api_versions() -> Doc:
    """Answer /api."""
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}


def group_list() -> Doc:
    """Answer /apis."""
    items = [_group(name, version) for name, version in groups().items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": items}


def group(name: str) -> Doc | None:
    """Answer /apis/<group>."""
    version = groups().get(name)
    return {"apiVersion": "v1", **_group(name, version)} if version else None


def resource_list(group_version: str) -> Doc | None:
    """Answer /api/v1 and /apis/<group>/<version>."""
    kinds = [k for k in KINDS if k.api_version == group_version]
    if not kinds:
        return None
    resources = [_resource(k) for k in kinds]
    resources += [_subresource(k) for k in kinds if k.has_status]
    resources += [_log(k) for k in kinds if k.kind == "Pod"]
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version,
        "resources": resources,
    }


def openapi_root() -> Doc:
    """Answer /openapi/v3."""
    paths = {_prefix(k): {"serverRelativeURL": f"/openapi/v3/{_prefix(k)}"} for k in KINDS}
    return {"paths": paths}


def openapi(prefix: str) -> Doc | None:
    """Answer /openapi/v3/api/v1 and /openapi/v3/apis/<group>/<version>."""
    kinds = [k for k in KINDS if _prefix(k) == prefix]
    if not kinds:
        return None
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes", "version": VERSION["gitVersion"]},
        "paths": dict(_path(k) for k in kinds),
        "components": {"schemas": {_model(k): _schema(k) for k in kinds}},
    }


def openapi_v2() -> bytes:
    """Answer /openapi/v2, in protobuf: a document that names nothing.

    kubectl asks for it only about a kind that v3 does not have, to say itself that there is none.
    """
    title, version = b"Kubernetes", VERSION["gitVersion"].encode()
    info = _bytes(1, title) + _bytes(2, version)
    return _bytes(1, b"2.0") + _bytes(2, info) + _bytes(8, b"")


def _bytes(number: int, value: bytes) -> bytes:
    """Write one short length-delimited protobuf field."""
    return bytes([number << 3 | 2, len(value)]) + value


def _group(name: str, version: str) -> Doc:
    entry = {"groupVersion": f"{name}/{version}", "version": version}
    return {"kind": "APIGroup", "name": name, "versions": [entry], "preferredVersion": entry}


def _resource(kind: Kind) -> Doc:
    found: Doc = {
        "name": kind.plural,
        "singularName": kind.singular,
        "namespaced": kind.namespaced,
        "kind": kind.kind,
        "verbs": VERBS,
        "shortNames": list(kind.short_names),
        "categories": list(kind.categories),
    }
    return {k: v for k, v in found.items() if v != []}


def _subresource(kind: Kind) -> Doc:
    name = f"{kind.plural}/status"
    common = {"singularName": "", "namespaced": kind.namespaced, "kind": kind.kind}
    return {"name": name, **common, "verbs": ["get", "patch", "update"]}


def _log(kind: Kind) -> Doc:
    common = {"singularName": "", "namespaced": True, "kind": kind.kind}
    return {"name": f"{kind.plural}/log", **common, "verbs": ["get"]}


def _prefix(kind: Kind) -> str:
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def _gvk(kind: Kind) -> Doc:
    return {"group": kind.group, "version": kind.version, "kind": kind.kind}


def _model(kind: Kind) -> str:
    name = ".".join(reversed((kind.group or "core.k8s.io").split(".")))
    return f"{name}.{kind.version}.{kind.kind}"


def _schema(kind: Kind) -> Doc:
    return {**schemas()[kind.kind], "x-kubernetes-group-version-kind": [_gvk(kind)]}


def _path(kind: Kind) -> tuple[str, Doc]:
    place = "namespaces/{namespace}/" if kind.namespaced else ""
    types = PATCHES if kind.group.endswith("knative.dev") else (*PATCHES, STRATEGIC)
    reference = {"$ref": f"#/components/schemas/{_model(kind)}"}
    operation = {
        "x-kubernetes-group-version-kind": _gvk(kind),
        "parameters": [
            {"name": name, "in": "query", "schema": {"type": "string"}} for name in PARAMETERS
        ],
        "responses": {"200": {"description": "OK"}},
    }
    patch = {"requestBody": {"content": {t: {"schema": reference} for t in types}}}
    verbs = {"get": "get", "put": "put", "delete": "delete"}
    operations = {
        verb: {**operation, "x-kubernetes-action": action} for verb, action in verbs.items()
    }
    item = operations | {"patch": {**operation, **patch, "x-kubernetes-action": "patch"}}
    return f"/{_prefix(kind)}/{place}{kind.plural}/{{name}}", item
