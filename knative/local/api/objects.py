"""What each write verb means: prepare, default, validate, note the owner, store.

Every write passes here and through the one table of admission.py; nothing reaches the store from a
client by another way. All of it is synchronous, so a read-modify-write is one step.
"""

import re
import secrets
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from knative.local.api import admission, fields, patches
from knative.local.api.schemas import check
from knative.local.errors import BadRequest, Conflict, Invalid, NotFound, UnsupportedMedia
from knative.local.kinds import BY_KIND, RBAC, Kind
from knative.local.store import Object, Store, timestamp

Patch = Literal[
    "application/merge-patch+json",
    "application/json-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
]

MAX_NAME = 253
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]*[a-z0-9])?")
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


@dataclass(frozen=True, slots=True)
class Objects:
    """The write verbs over a store."""

    store: Store
    clock: Callable[[], datetime]

    def create(self, call: Call, body: Object) -> Object:
        """Store a new object, or raise AlreadyExists."""
        obj = _for_create(call, body)
        if call.kind.namespaced:
            self.store.get("Namespace", "", call.namespace)
        obj = self._admit(call, obj, None)
        obj = fields.track(None, obj, self._writer(call, "Update"))
        return self._insert(call, obj)

    def update(self, call: Call, body: Object) -> Object:
        """Replace an object, or only its status."""
        old = self._old(call)
        _check_identity(call, body)
        return self._replace(call, old, body, "Update")

    def patch(self, call: Call, body: Any, how: str) -> tuple[Object, bool]:
        """Change a part; the second value says whether an apply created the object."""
        if how == "application/apply-patch+yaml":
            return self._apply(call, body)
        old = self._old(call)
        changed = _patched(call, old, body, how)
        if call.kind.namespaced:
            changed["metadata"].setdefault("namespace", call.namespace)
        _check_identity(call, changed)
        return self._replace(call, old, changed, "Update"), False

    def delete(self, call: Call, options: Object) -> Object:
        """Delete an object and what it owns; return what it was."""
        old = self._old(call)
        admission.check_delete(old)
        _check_preconditions(old, options.get("preconditions") or {})
        if not call.dry_run:
            orphan = options.get("propagationPolicy") == "Orphan"
            self.store.delete(call.kind.kind, call.namespace, call.name, orphan=orphan)
        return old

    def _apply(self, call: Call, body: Any) -> tuple[Object, bool]:
        wanted = _for_apply(call, body)
        try:
            old = self._old(call)
        except NotFound:
            if call.status:
                raise
            return self._apply_new(call, wanted), True
        writer, filled = self._writer(call, "Apply"), _filled(wanted)
        applied = fields.apply(old, wanted, writer, filled=filled, force=call.force)
        return self._replace(call, old, applied), False

    def _apply_new(self, call: Call, wanted: Object) -> Object:
        if call.kind.namespaced:
            self.store.get("Namespace", "", call.namespace)
        writer = self._writer(call, "Apply")
        owned = fields.apply(None, wanted, writer, filled=wanted, force=True)
        obj = self._admit(call, owned, None)
        return self._insert(call, obj)

    def _replace(
        self, call: Call, old: Object, new: Object, tracked: Literal["Update", ""] = ""
    ) -> Object:
        meta = {k: old["metadata"].get(k) for k in ("uid", "creationTimestamp", "generation")}
        version = new["metadata"].get("resourceVersion") or old["metadata"]["resourceVersion"]
        _check_uid(old, new)
        new = {**new, "metadata": {**new["metadata"], **meta, "resourceVersion": version}}
        new = self._admit(call, _with_status(call, old, new), old)
        if tracked and not call.status:
            new = fields.track(old, new, self._writer(call, tracked))
        return new if call.dry_run else self.store.update(new)

    def _insert(self, call: Call, obj: Object) -> Object:
        if not call.dry_run:
            return self.store.create(obj)
        born = {"creationTimestamp": timestamp(self.clock()), "generation": 1}
        return {**obj, "metadata": {**obj["metadata"], **born}}

    def _admit(self, call: Call, obj: Object, old: Object | None) -> Object:
        if call.status:
            return obj
        findings = check(obj)
        if findings.unknown and call.strict:
            lines = ", ".join(f'unknown field "{path}"' for path in findings.unknown)
            kind, version = call.kind.kind, call.kind.version
            raise BadRequest(
                f'{kind} in version "{version}" cannot be handled as a {kind}: '
                f"strict decoding error: {lines}"
            )
        call.warnings.extend(f'unknown field "{path}"' for path in findings.unknown)
        if findings.wrong:
            raise _invalid(call.kind, obj, findings.wrong)
        return admission.admit(self.store, obj, old)

    def _old(self, call: Call) -> Object:
        return self.store.get(call.kind.kind, call.namespace, call.name)

    def _writer(self, call: Call, operation: Literal["Apply", "Update"]) -> fields.Writer:
        now = timestamp(self.clock())
        return fields.Writer(call.manager, operation, now, call.kind.api_version)


def _for_create(call: Call, body: Object) -> Object:
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
    _place(call, meta)
    return obj


def _for_apply(call: Call, body: Any) -> Object:
    obj = _typed(call.kind, body)
    if obj["metadata"].get("managedFields"):
        raise BadRequest("metadata.managedFields must be nil")
    obj["metadata"].setdefault("name", call.name)
    _place(call, obj["metadata"])
    _check_identity(call, obj)
    return obj


def _filled(wanted: Object) -> Object:
    """Return what is applied with its defaults: a list that differs only by them is no conflict."""
    filled = deepcopy(wanted)
    if not check(filled).wrong:
        admission.fill(filled, None)
    return filled


def _typed(kind: Kind, body: Any) -> Object:
    """Return a copy of the body with its kind set, or say how it is no such object."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata", {}), dict):
        raise BadRequest("the body is not a Kubernetes object")
    found = (body.get("apiVersion") or kind.api_version, body.get("kind") or kind.kind)
    if found != (kind.api_version, kind.kind):
        raise BadRequest(
            f"the object provided is {found[0]} {found[1]}, this address takes "
            f"{kind.api_version} {kind.kind}"
        )
    copy = deepcopy(body)
    copy.setdefault("metadata", {})
    return {**copy, "apiVersion": kind.api_version, "kind": kind.kind}


def _place(call: Call, meta: Object) -> None:
    """Check the name, and that the namespaces of body and address agree."""
    name = meta.get("name")
    if not name or not isinstance(name, str):
        raise _invalid(
            call.kind,
            {"metadata": meta},
            [("Required value: name or generateName", "metadata.name")],
        )
    if len(name) > MAX_NAME or not (_NAME.fullmatch(name) or call.kind.group == RBAC):
        problem = f"Invalid value: {name!r}: a lowercase RFC 1123 subdomain is needed"
        raise _invalid(call.kind, {"metadata": meta}, [(problem, "metadata.name")])
    if not call.kind.namespaced:
        meta.pop("namespace", None)
    elif meta.setdefault("namespace", call.namespace) != call.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )


def _check_identity(call: Call, obj: Object) -> None:
    _typed(call.kind, obj)
    meta = obj["metadata"]
    if meta.get("name") != call.name:
        raise BadRequest(
            f"the name of the object ({meta.get('name')}) does not match the name on the URL "
            f"({call.name})"
        )
    if call.kind.namespaced and meta.get("namespace", call.namespace) != call.namespace:
        raise BadRequest(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    if call.kind.namespaced:
        meta["namespace"] = call.namespace


def _check_uid(old: Object, new: Object) -> None:
    wanted = new["metadata"].get("uid")
    if wanted and wanted != old["metadata"]["uid"]:
        raise _stale(
            old, f"UID in precondition: {wanted}, UID in object meta: {old['metadata']['uid']}"
        )


def _check_preconditions(old: Object, wanted: Object) -> None:
    for name in ("uid", "resourceVersion"):
        if wanted.get(name) not in (None, old["metadata"][name]):
            raise _stale(old, f"the {name} in the precondition does not match")


def _stale(old: Object, why: str) -> Conflict:
    kind = BY_KIND[old["kind"]]
    name = old["metadata"]["name"]
    return Conflict(f'Operation cannot be fulfilled on {kind.resource} "{name}": {why}')


def _with_status(call: Call, old: Object, new: Object) -> Object:
    """Let the main address change all but the status, and /status nothing but it."""
    if call.status:
        kept = {**old, "metadata": {**old["metadata"]}}
        kept["metadata"]["resourceVersion"] = new["metadata"]["resourceVersion"]
        return kept | {"status": new.get("status") or {}}
    if not call.kind.has_status:
        return new
    rest = {k: v for k, v in new.items() if k != "status"}
    return rest | ({"status": old["status"]} if "status" in old else {})


def _patched(call: Call, old: Object, body: Any, how: str) -> Object:
    if how == "application/json-patch+json":
        return patches.json_patch(old, body)
    if not isinstance(body, dict):
        raise BadRequest("the patch is not a JSON object")
    if how == "application/merge-patch+json":
        return dict(patches.merge_patch(old, body))
    knative = call.kind.group.endswith("knative.dev")
    if how == "application/strategic-merge-patch+json" and not knative:
        return patches.strategic_patch(old, body)
    raise UnsupportedMedia(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml"
    )


def _invalid(kind: Kind, obj: Object, wrong: list[tuple[str, str]]) -> Invalid:
    name = obj["metadata"].get("name", "")
    lines = [f"{path}: {message}" for message, path in wrong]
    text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
    details = {
        "name": name,
        "group": kind.group,
        "kind": kind.kind,
        "causes": [{"reason": "FieldValueInvalid", "message": m, "field": p} for m, p in wrong],
    }
    return Invalid(f'{kind.kind}.{kind.group} "{name}" is invalid: {text}', details)
