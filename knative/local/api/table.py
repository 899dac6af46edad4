"""Objects as the rows that `kubectl get` prints; pure, `now` is an argument."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jmespath
from jmespath import exceptions, functions

from knative.local.kinds import Column, Kind

Object = Mapping[str, Any]

NAME = Column("Name", "metadata.name", "string")
_UNITS = (("y", 31_536_000), ("d", 86_400), ("h", 3_600), ("m", 60))


def table(
    kind: Kind, objects: Sequence[Object], meta: Object, now: datetime, include: str = "Metadata"
) -> dict[str, Any]:
    """Return a meta.k8s.io/v1 Table; with `include` "Object" rows hold all of it, to sort them by."""
    columns = (NAME, *kind.columns)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": dict(meta),
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [
            {
                "cells": [cell(obj, column, now) for column in columns],
                "object": _shown(obj, include),
            }
            for obj in objects
        ],
    }


def cell(obj: Object, column: Column, now: datetime) -> Any:
    """Return one printed value; what is not there prints as nothing."""
    try:
        value = _compiled(column.path).search(obj, _OPTIONS)
    except exceptions.JMESPathTypeError:  # an object that says little, or something odd
        value = None
    if column.type == "date":
        return age(value, now)
    return "" if value is None else value


def age(text: str | None, now: datetime) -> str:
    """Return `5m`, `3d`: at most one unit, as coarse as it is long."""
    if not text:
        return "<unknown>"
    then = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    seconds = max(0, int((now - then).total_seconds()))
    for unit, size in _UNITS:
        if seconds >= 2 * size:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


class _Functions(functions.Functions):  # type: ignore[misc] # jmespath ships no types
    @functions.signature({"types": ["string"]})  # type: ignore[untyped-decorator] # as above
    def _func_lower(self, text: str) -> str:
        return text.lower()


_OPTIONS = jmespath.Options(custom_functions=_Functions())
_compiled = cache(jmespath.compile)


def _definition(column: Column) -> dict[str, Any]:
    form = "name" if column == NAME else ""
    said = {"name": column.name, "type": column.type, "priority": column.priority}
    return {**said, "format": form, "description": column.name}


def _shown(obj: Object, include: str) -> Object | None:
    if include == "Object":
        return obj
    partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    return None if include == "None" else {**partial, "metadata": obj["metadata"]}
