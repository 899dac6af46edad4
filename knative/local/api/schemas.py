"""Field names and types, as the kind's schema in kinds.json gives them.

A field that the schema does not know is dropped, and refused under `fieldValidation=Strict`, as a
cluster does; a wrong type is always refused. Defaults of the schema are filled in.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from knative.local.kinds import BY_KIND

Schema = Mapping[str, Any]

_STRINGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
_TEXT: Schema = {"type": "string"}
META: Schema = {
    "type": "object",
    "properties": {
        **dict.fromkeys(("name", "generateName", "namespace", "selfLink"), _TEXT),
        **dict.fromkeys(("uid", "resourceVersion"), _TEXT),
        **dict.fromkeys(("creationTimestamp", "deletionTimestamp"), _TEXT),
        "generation": {"type": "integer"},
        "deletionGracePeriodSeconds": {"type": "integer"},
        "labels": _STRINGS,
        "annotations": _STRINGS,
        "finalizers": {"type": "array", "items": _TEXT},
        "ownerReferences": {"type": "array", "items": {"type": "object"}},
        "managedFields": {"type": "array", "items": {"type": "object"}},
    },
}
_EITHER = "x-kubernetes-int-or-string"
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
def schema_of(kind: str) -> Schema:
    """Return the whole schema of a kind, with what every kind has."""
    own = BY_KIND[kind].schema
    common = {"apiVersion": _TEXT, "kind": _TEXT, "metadata": META}
    return {**own, "properties": {**own["properties"], **common}}


def check(obj: dict[str, Any]) -> Findings:
    """Drop unknown fields and nulls from `obj` in place, fill defaults, and report."""
    found = Findings()
    _fields(obj, schema_of(obj["kind"]), "", found)
    return found


def _value(value: Any, schema: Schema, path: str, found: Findings) -> None:
    kinds = ["integer", "string"] if schema.get(_EITHER) else [schema["type"]]
    if not any(type(value) in TYPES[kind] for kind in kinds):  # exactly: a bool is no integer
        found.wrong.append((f"must be of type {' or '.join(kinds)}: {json.dumps(value)}", path))
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
