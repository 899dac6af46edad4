"""Trigger filters: which events a Trigger sees, decided from attributes alone.

A Trigger's spec compiles once into a predicate. `filters` (the Subscriptions dialects exact,
prefix, suffix, all, any, not) overrides `filter.attributes`; no filter at all matches everything,
and so does an empty value. A dialect that is not understood is refused, never matched by accident.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Predicate = Callable[[Mapping[str, str]], bool]

_NAME = re.compile(r"[a-z0-9]+")


class BadFilter(ValueError):
    """The filter cannot be understood; the message says where."""


def compile_trigger(spec: Mapping[str, Any]) -> Predicate:
    """Make the predicate of one Trigger's `spec`."""
    if spec.get("filters"):
        return _every([compile_filter(entry) for entry in _sequence(spec["filters"], "filters")])
    attributes = (spec.get("filter") or {}).get("attributes") or {}
    return _attributes(_texts(attributes, "filter.attributes"))


def compile_filter(entry: object) -> Predicate:
    """Make the predicate of one entry: an object with exactly one dialect."""
    if not isinstance(entry, Mapping):
        raise BadFilter("a filter must be an object")
    if not entry:
        return _every([])
    if len(entry) > 1:
        raise BadFilter(f"one dialect per filter, got {', '.join(sorted(map(str, entry)))}")
    ((dialect, value),) = entry.items()
    if dialect not in _DIALECTS:
        known = ", ".join(_DIALECTS)
        raise BadFilter(f"dialect {dialect!r} is not supported here, only {known}")
    return _DIALECTS[dialect](value)


def _every(parts: Sequence[Predicate]) -> Predicate:
    return lambda attributes: all(part(attributes) for part in parts)


def _some(parts: Sequence[Predicate]) -> Predicate:
    return lambda attributes: not parts or any(part(attributes) for part in parts)


def _attributes(wanted: Mapping[str, str]) -> Predicate:
    """Match the older form: every name must be there, an empty value takes any."""
    return lambda attributes: all(
        name in attributes and value in ("", attributes[name]) for name, value in wanted.items()
    )


def _comparison(dialect: str, matches: Callable[[str, str], bool]) -> Callable[[Any], Predicate]:
    def build(value: Any) -> Predicate:
        wanted = _texts(value, dialect)
        return lambda attributes: all(
            not text or (name in attributes and matches(attributes[name], text))
            for name, text in wanted.items()
        )

    return build


def _nested(value: Any, dialect: str) -> list[Predicate]:
    return [compile_filter(entry) for entry in _sequence(value, dialect)]


def _negation(value: Any) -> Predicate:
    inner = compile_filter(value)
    return lambda attributes: not inner(attributes)


def _sequence(value: Any, where: str) -> Sequence[Any]:
    if not isinstance(value, list):
        raise BadFilter(f"{where} must be a list")
    return value


def _texts(value: Any, where: str) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise BadFilter(f"{where} must be an object")
    for name, text in value.items():
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise BadFilter(f"{where}: invalid attribute name {name!r}: only a-z and 0-9")
        if not isinstance(text, str):
            raise BadFilter(f"{where}: the value of {name!r} must be a text")
    return value


_DIALECTS: Mapping[str, Callable[[Any], Predicate]] = {
    "exact": _comparison("exact", str.__eq__),
    "prefix": _comparison("prefix", str.startswith),
    "suffix": _comparison("suffix", str.endswith),
    "all": lambda value: _every(_nested(value, "all")),
    "any": lambda value: _some(_nested(value, "any")),
    "not": _negation,
}
