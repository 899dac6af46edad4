"""Field names and types, as Knative's own CustomResourceDefinitions give them.

`schemas.json` is generated from those files (see README). A field that the schema does not know is
dropped, and refused under `fieldValidation=Strict`, as a cluster does; a wrong type is always
refused. Defaults of the schema are filled in.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

Schema = Mapping[str, Any]

META_FIELDS = frozenset(
    "name generateName namespace selfLink uid resourceVersion generation creationTimestamp "
    "deletionTimestamp deletionGracePeriodSeconds labels annotations ownerReferences finalizers "
    "managedFields".split()
)
TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


@dataclass(slots=True)
class Findings:
    """What is wrong with an object: unknown fields by path, and (message, path) of wrong values."""

    unknown: list[str] = field(default_factory=list)
    wrong: list[tuple[str, str]] = field(default_factory=list)


@cache
def schemas() -> dict[str, Schema]:
    """Return the schema of every kind."""
    text = files(__package__).joinpath("schemas.json").read_text(encoding="utf-8")
    parsed: dict[str, Schema] = json.loads(text)
    return parsed


def check(obj: dict[str, Any]) -> Findings:
    """Drop unknown fields and nulls from `obj` in place, fill defaults, and report."""
    found = Findings()
    _fields(obj, schemas()[obj["kind"]], "", found)
    meta = obj["metadata"]
    for name in [k for k in meta if k not in META_FIELDS]:
        found.unknown.append(f"metadata.{name}")
        del meta[name]
    for mapping in ("labels", "annotations"):
        _value(meta.get(mapping) or {}, _STRINGS, f"metadata.{mapping}", found)
    return found


_STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}


def _value(value: Any, schema: Schema, path: str, found: Findings) -> None:
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if not _is(value, "integer") and not _is(value, "string"):
            found.wrong.append((f"must be of type integer or string: {json.dumps(value)}", path))
    elif kind and not _is(value, kind):
        found.wrong.append((f"must be of type {kind}: {json.dumps(value)}", path))
    elif isinstance(value, dict):
        _fields(value, schema, path, found)
    elif isinstance(value, list):
        for i, item in enumerate(value):
            _value(item, schema.get("items", {}), f"{path}[{i}]", found)


def _fields(obj: dict[str, Any], schema: Schema, path: str, found: Findings) -> None:
    known: Mapping[str, Schema] = schema.get("properties", {})
    extra = schema.get("additionalProperties")
    closed = bool(known) and not extra and not schema.get("x-kubernetes-preserve-unknown-fields")
    for name, value in list(obj.items()):
        where = f"{path}.{name}".lstrip(".")
        if value is None:
            del obj[name]
        elif name in known:
            _value(value, known[name], where, found)
        elif extra:
            _value(value, extra if isinstance(extra, dict) else {}, where, found)
        elif closed:
            found.unknown.append(where)
            del obj[name]
    _complete(obj, schema, path, found)


def _complete(obj: dict[str, Any], schema: Schema, path: str, found: Findings) -> None:
    for name, child in schema.get("properties", {}).items():
        if name not in obj and "default" in child:
            obj[name] = child["default"]
    for name in schema.get("required", ()):
        if name not in obj:
            found.wrong.append(("Required value", f"{path}.{name}".lstrip(".")))


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind])
