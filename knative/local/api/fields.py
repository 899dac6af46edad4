"""Who owns which field: server-side apply and `metadata.managedFields`; pure.

A map is owned key by key and a list as a whole, which is what Knative's schemas say about theirs.
An apply that would change another manager's field is a Conflict unless forced. A field that its
only owner stops applying goes away. Any other write takes the fields that it changes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from knative.local.api.patches import merge_patch
from knative.local.errors import Conflict

Object = dict[str, Any]
Path = tuple[str, ...]
Owners = dict[tuple[str, str], frozenset[Path]]  # (manager, operation) → fields

_IDENTITY = ("apiVersion", "kind", "status")
_META = {"labels", "annotations", "ownerReferences", "finalizers"}


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, how, and when."""

    manager: str
    operation: Literal["Apply", "Update"]
    time: str
    api_version: str

    @property
    def key(self) -> tuple[str, str]:
        """Return what identifies an entry of managedFields."""
        return self.manager, self.operation


def apply(
    live: Object | None, wanted: Object, writer: Writer, *, filled: Object, force: bool
) -> Object:
    """Return the object after a server-side apply; `filled` is `wanted` with its defaults."""
    before = live or {}
    complete = leaves(filled)
    config = {path: complete.get(path, value) for path, value in leaves(wanted).items()}
    owners = _owners(before)
    mine = owners.get(writer.key, frozenset())
    owners = _take(owners, leaves(before), config, writer, force=force)
    others = frozenset().union(*(f for key, f in owners.items() if key != writer.key))
    merged = merge_patch(before, wanted)
    for path in sorted(mine - config.keys() - others, reverse=True):
        _remove(merged, path)
    owners[writer.key] = frozenset(config)
    return _with_owners(merged, before, owners, writer)


def track(before: Object | None, after: Object, writer: Writer) -> Object:
    """Return `after` with managedFields telling that `writer` changed what differs."""
    if before and (after["metadata"].get("managedFields", []) != _entries(before)):
        return after  # the client rewrites ownership itself, as kubectl does when it migrates
    old, new = leaves(before or {}), leaves(after)
    changed = {path for path, value in new.items() if path not in old or old[path] != value}
    if before and not changed and old.keys() == new.keys():
        return after
    owners = {k: (f - changed) & new.keys() for k, f in _owners(before or {}).items()}
    owners[writer.key] = owners.get(writer.key, frozenset()) | changed
    return _with_owners(after, before or {}, owners, writer)


def leaves(obj: Mapping[str, Any]) -> dict[Path, Any]:
    """Return every ownable field with its value: scalars, lists, empty maps."""
    found: dict[Path, Any] = {}
    for key, value in obj.items():
        if key == "metadata":
            for name in value.keys() & _META:
                found |= _walk(value[name], (key, name))
        elif key not in _IDENTITY:
            found |= _walk(value, (key,))
    return found


def _walk(value: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _walk(child, (*path, key))
    else:
        yield path, value


def _take(
    owners: Owners, old: Mapping[Path, Any], new: Mapping[Path, Any], writer: Writer, *, force: bool
) -> Owners:
    """Take the fields whose value changes from their owners, or refuse."""
    changed = {path for path, value in new.items() if path in old and old[path] != value}
    disputed = {
        key: fields & changed
        for key, fields in owners.items()
        if key != writer.key and fields & changed
    }
    if disputed and not force:
        raise _conflict(disputed)
    return {key: fields - disputed.get(key, frozenset()) for key, fields in owners.items()}


def _conflict(disputed: Owners) -> Conflict:
    causes = [
        {
            "reason": "FieldManagerConflict",
            "message": f'conflict with "{manager}"' + (f" using {op}" if op == "Update" else ""),
            "field": "." + ".".join(path),
        }
        for (manager, op), paths in sorted(disputed.items())
        for path in sorted(paths)
    ]
    plural = "s" if len(causes) > 1 else ""
    lines = "; ".join(f"{c['message']}: {c['field']}" for c in causes)
    message = f"Apply failed with {len(causes)} conflict{plural}: {lines}"
    return Conflict(message, {"causes": causes})


def _remove(obj: Object, path: Path) -> None:
    """Remove a field, and the maps that it leaves empty."""
    key, *rest = path
    child = obj.get(key)
    if rest and isinstance(child, dict):
        _remove(child, tuple(rest))
    if not rest or child == {}:
        obj.pop(key, None)


def _entries(obj: Object) -> list[Object]:
    return list(obj.get("metadata", {}).get("managedFields") or [])


def _key(entry: Object) -> tuple[str, str]:
    return str(entry.get("manager", "")), str(entry.get("operation", "Update"))


def _owners(obj: Object) -> Owners:
    found: Owners = {}
    for entry in _entries(obj):
        fields = frozenset(_parse(entry.get("fieldsV1"), ()))
        found[_key(entry)] = found.get(_key(entry), frozenset()) | fields
    return found


def _parse(fields: Any, path: Path) -> Iterable[Path]:
    for key, child in fields.items() if isinstance(fields, dict) else ():
        if key.startswith("f:"):
            here = (*path, key[2:])
            yield from _parse(child, here) if child else (here,)


def _with_owners(obj: Object, before: Object, owners: Owners, writer: Writer) -> Object:
    """Return `obj` with the entries of `before`, their fields as in `owners`, and the writer's new."""
    entries = {_key(entry): entry for entry in _entries(before)}
    entries[writer.key] = {
        "manager": writer.manager,
        "operation": writer.operation,
        "apiVersion": writer.api_version,
        "time": writer.time,
        "fieldsType": "FieldsV1",
    }
    managed = [
        {**entries[key], "fieldsV1": _nest(paths)} for key, paths in sorted(owners.items()) if paths
    ]
    return {**obj, "metadata": {**obj["metadata"], "managedFields": managed}}


def _nest(paths: Iterable[Path]) -> Object:
    root: Object = {}
    for path in sorted(paths):
        node = root
        for part in path:
            node = node.setdefault(f"f:{part}", {})
    return root
