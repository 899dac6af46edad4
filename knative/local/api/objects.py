"""What each write verb means: prepare, default, validate, note the owner, store.

Every write passes here and through the one table of admission.py; nothing reaches the store from a
client by another way. All of it is synchronous, so a read-modify-write is one step.
"""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from knative.local.api import admission, fields, namespaces, patches, shape
from knative.local.api.schemas import check
from knative.local.api.shape import Call
from knative.local.errors import BadRequest, NotFound
from knative.local.store import Object, Store, timestamp

APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Objects:
    """The write verbs over a store."""

    store: Store
    clock: Callable[[], datetime]

    def create(self, call: Call, body: Any) -> Object:
        """Store a new object, or raise AlreadyExists."""
        obj = shape.for_create(call, body)
        obj = self._admit(call, obj, None)
        return self._insert(call, fields.track(None, obj, self._writer(call, "Update")))

    def update(self, call: Call, body: Any) -> Object:
        """Replace an object, or only its status."""
        old = self._old(call)
        new = self._admit(call, shape.for_replace(call, old, body), old)
        if not call.status:
            new = fields.track(old, new, self._writer(call, "Update"))
        return new if call.dry_run else self.store.update(new)

    def patch(self, call: Call, body: Any, how: str) -> tuple[Object, bool]:
        """Change a part; the second value says whether an apply created the object."""
        if how == APPLY:
            return self._apply(call, shape.for_apply(call, body))
        changed = patches.patched(call.kind, self._old(call), body, how)
        return self.update(call, changed), False

    def delete(self, call: Call, options: Object) -> Object:
        """Delete an object and what it owns; return what it was."""
        old = self._old(call)
        admission.check_delete(old)
        wanted = options.get("preconditions") or {}
        shape.check_preconditions(old, wanted if isinstance(wanted, dict) else {})
        if call.dry_run:
            return old
        if call.kind.kind == "Namespace":
            namespaces.terminate(self.store, old, self.clock())
        else:
            orphan = options.get("propagationPolicy") == "Orphan"
            self.store.delete(call.kind.kind, call.namespace, call.name, orphan=orphan)
        return old

    def _apply(self, call: Call, wanted: Object) -> tuple[Object, bool]:
        writer = self._writer(call, "Apply")
        try:
            old = self._old(call)
        except NotFound:
            if call.status:
                raise
            owned = fields.apply(None, wanted, writer, filled=wanted, force=True)
            return self._insert(call, self._admit(call, owned, None)), True
        applied = fields.apply(old, wanted, writer, filled=_filled(wanted), force=call.force)
        new = self._admit(call, shape.for_replace(call, old, applied), old)
        return (new if call.dry_run else self.store.update(new)), False

    def _insert(self, call: Call, obj: Object) -> Object:
        if call.kind.namespaced:
            namespaces.check_open(self.store, call.kind, call.namespace, obj["metadata"]["name"])
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
            raise shape.invalid(call.kind, obj, findings.wrong)
        return admission.admit(self.store, obj, old)

    def _old(self, call: Call) -> Object:
        return self.store.get(call.kind.kind, call.namespace, call.name)

    def _writer(self, call: Call, operation: Literal["Apply", "Update"]) -> fields.Writer:
        now = timestamp(self.clock())
        return fields.Writer(call.manager, operation, now, call.kind.api_version)


def _filled(wanted: Object) -> Object:
    """Return what is applied with its defaults: a list that differs only by them is no conflict."""
    filled = deepcopy(wanted)
    if not check(filled).wrong:
        admission.fill(filled, None)
    return filled
