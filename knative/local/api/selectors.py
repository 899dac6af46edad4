"""Label and field selectors, as Kubernetes writes them; pure.

`a=b,c!=d,e in (x,y),f notin (z),g,!h` and `metadata.name=x,status.phase!=Running`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from knative.local.errors import BadRequest

Match = Callable[[Mapping[str, Any]], bool]
Test = Callable[[str | None], bool]

_TERM = re.compile(
    r"\s*(?P<not>!)?\s*(?P<key>[A-Za-z0-9._/-]+)"
    r"(?:\s*(?P<op>==|=|!=)\s*(?P<value>[^,()=!\s]*)|\s+(?P<set>in|notin)\s*\((?P<values>[^()]*)\))?"
    r"\s*(?:,|$)"
)


def label_selector(text: str) -> Match:
    """Return a predicate over objects for a label selector; the empty one matches all."""
    terms = _terms(text, "label")
    return lambda obj: _all(terms, (obj["metadata"].get("labels") or {}).get)


def field_selector(text: str) -> Match:
    """Return a predicate over objects for a field selector; an absent field is ''."""
    terms = _terms(text, "field")
    return lambda obj: _all(terms, lambda key: lookup(obj, key))


def lookup(obj: Mapping[str, Any], path: str) -> str:
    """Return the text at a dotted path, '' when there is none."""
    value: Any = obj
    for part in path.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return "" if value is None else str(value)


def _all(terms: list[tuple[str, Test]], get: Callable[[str], str | None]) -> bool:
    return all(test(get(key)) for key, test in terms)


def _terms(text: str, what: str) -> list[tuple[str, Test]]:
    found, position = [], 0
    while position < len(text):
        term = _TERM.match(text, position)
        if not term:
            raise BadRequest(f"unable to parse {what} selector: {text[position:]!r}")
        found.append((term["key"], _test(term)))
        position = term.end()
    return found


def _test(term: re.Match[str]) -> Test:
    how = term["op"] or term["set"]
    if how is None:
        return (lambda v: v is None) if term["not"] else (lambda v: v is not None)
    values = {v.strip() for v in term["values"].split(",")} if term["set"] else {term["value"]}
    if how in ("!=", "notin"):
        return lambda v: v not in values
    return lambda v: v in values
