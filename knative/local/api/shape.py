"""What an object sent by a client must be before anything looks inside; pure.

Its type, name and namespace agree with the address, and what only the server may set is not taken
from the client.
"""

import json
import re
import secrets
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from knative.local.errors import BadRequest, Conflict, Invalid
from knative.local.kinds import BY_KIND, RBAC, Kind
from knative.local.store import Object

MAX_NAME = 253  # characters
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
_UNVERSIONED = "Invalid value: 0x0: must be specified for an update"
_ASSIGNED = ("uid", "resourceVersion", "generation", "creationTimestamp", "managedFields")


@dataclass(frozen=True, slots=True)
class Call:
    """One write as the client asked for it."""

    kind: Kind
    namespace: str
    name: str = ""
    status: bool = False  # the /status subresource
    manager: str = "unknown"
    strict: bool = False
    dry_run: bool = False
    force: bool = False
    warnings: list[str] = field(default_factory=list)  # for the Warning headers


def for_create(call: Call, body: Any) -> Object:
    """Return the object to create."""
    obj = _typed(call.kind, body)
    meta = obj["metadata"]
    if meta.get("resourceVersion"):
        raise BadRequest("resourceVersion should not be set on objects to be created")
    for name in _ASSIGNED:
        meta.pop(name, None)
    if call.kind.has_status:
        obj.pop("status", None)
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = f"{meta['generateName']}{secrets.token_hex(3)[:5]}"
    _check_name(call.kind, meta)
    return _placed(call, obj)


def for_replace(call: Call, old: Object, body: Any) -> Object:
    """Return the object to put in the place of `old`, with what cannot change kept."""
    obj = _placed(call, _typed(call.kind, body))
    meta, before = obj["metadata"], old["metadata"]
    if meta.get("name") != call.name:
        raise BadRequest(
            f"the name of the object ({meta.get('name')}) does not match the name on the URL "
            f"({call.name})"
        )
    check_preconditions(old, {"uid": meta.get("uid")})
    meta |= {k: before[k] for k in ("uid", "creationTimestamp", "generation")}
    if not meta.get("resourceVersion"):
        if call.kind.custom:  # these have no unconditional update
            raise invalid(call.kind, obj, [(_UNVERSIONED, "metadata.resourceVersion")])
        meta["resourceVersion"] = before["resourceVersion"]
    return _with_status(call, old, obj)


def for_apply(call: Call, body: Any) -> Object:
    """Return what is applied: a part of the object, with its identity."""
    obj = _typed(call.kind, body)
    meta = obj["metadata"]
    if meta.get("managedFields"):
        raise BadRequest("metadata.managedFields must be nil")
    if meta.setdefault("name", call.name) != call.name:
        raise BadRequest(f"the name of the object ({meta['name']}) is not the one on the URL")
    _check_name(call.kind, meta)
    return _placed(call, obj)


def check_preconditions(old: Object, wanted: Object) -> None:
    """Refuse when the client means another object, or another state of it."""
    for name in ("uid", "resourceVersion"):
        found = old["metadata"][name]
        if wanted.get(name) not in (None, "", found):
            kind = BY_KIND[old["kind"]].resource
            raise Conflict(
                f'Operation cannot be fulfilled on {kind} "{old["metadata"]["name"]}": '
                f"Precondition failed: {name} in precondition: {wanted[name]}, in object: {found}"
            )


def invalid(kind: Kind, obj: Object, wrong: list[tuple[str, str]]) -> Invalid:
    """Return the refusal of an object, for (message, field) pairs."""
    name = obj["metadata"].get("name", "")
    lines = [f"{path}: {message}" for message, path in wrong]
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    found = [{"reason": "FieldValueInvalid", "message": m, "field": p} for m, p in wrong]
    details = {"name": name, "group": kind.group, "kind": kind.kind, "causes": found}
    shown = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return Invalid(f'{shown} "{name}" is invalid: {text}', details)


def _typed(kind: Kind, body: Any) -> Object:
    """Return a copy of the body with its kind set, or say how it is no such object."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata") or {}, dict):
        raise BadRequest(f"the body is not a {kind.kind}")
    found = (body.get("apiVersion") or kind.api_version, body.get("kind") or kind.kind)
    if found != (kind.api_version, kind.kind):
        raise BadRequest(
            f"the object provided is {found[0]} {found[1]}, this address takes "
            f"{kind.api_version} {kind.kind}"
        )
    copy = deepcopy(body)
    meta = copy.get("metadata") or {}
    return {**copy, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": meta}


def _check_name(kind: Kind, meta: Object) -> None:
    name = meta.get("name")
    if not name:
        wrong = ("Required value: name or generateName is required", "metadata.name")
        raise invalid(kind, {"metadata": meta}, [wrong])
    good = isinstance(name, str) and len(name) <= MAX_NAME
    if not good or not (_NAME.fullmatch(name) or (kind.group == RBAC and "/" not in name)):
        problem = f"Invalid value: {json.dumps(name)}: must be a lowercase RFC 1123 subdomain"
        raise invalid(kind, {"metadata": meta}, [(problem, "metadata.name")])


def _placed(call: Call, obj: Object) -> Object:
    """Return the object with the namespace of the address, which its own must not contradict."""
    meta = obj["metadata"]
    if not call.kind.namespaced:
        meta.pop("namespace", None)
    elif (meta.get("namespace") or call.namespace) != call.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    else:
        meta["namespace"] = call.namespace
    return obj


def _with_status(call: Call, old: Object, new: Object) -> Object:
    """Let the main address change all but the status, and /status nothing but it."""
    if call.status:
        status = new.get("status") or {}
        if not isinstance(status, dict):
            raise invalid(call.kind, new, [("must be of type object", "status")])
        version = {"resourceVersion": new["metadata"]["resourceVersion"]}
        return {**old, "metadata": old["metadata"] | version, "status": status}
    if not call.kind.has_status:
        return new
    rest = {k: v for k, v in new.items() if k != "status"}
    return rest | ({"status": old["status"]} if "status" in old else {})
