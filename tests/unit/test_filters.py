"""Trigger filters, dialect by dialect."""

from typing import Any

import pytest

from eventing.filters import BadFilter, compile_trigger

EVENT = {"type": "a.created.v1", "source": "/x/y", "subject": "documents/a.md", "id": "1"}


@pytest.mark.parametrize(
    ("spec", "matches"),
    [
        ({}, True),
        ({"filters": []}, True),
        ({"filter": {}}, True),
        ({"filter": {"attributes": {}}}, True),
        ({"filter": {"attributes": {"type": "a.created.v1"}}}, True),
        ({"filter": {"attributes": {"type": "a.created.v1", "source": "/z"}}}, False),
        ({"filter": {"attributes": {"type": ""}}}, True),
        ({"filter": {"attributes": {"absent": ""}}}, False),
        ({"filters": [{"exact": {"type": "a.created.v1"}}]}, True),
        ({"filters": [{"exact": {"type": "a.created"}}]}, False),
        ({"filters": [{"exact": {"type": ""}}]}, True),
        ({"filters": [{"prefix": {"type": "a."}}]}, True),
        ({"filters": [{"prefix": {"type": "b."}}]}, False),
        ({"filters": [{"suffix": {"type": ".v1"}}]}, True),
        ({"filters": [{"suffix": {"subject": ".json"}}]}, False),
        ({"filters": [{"prefix": {"absent": "a"}}]}, False),
        ({"filters": [{"prefix": {"type": "a", "source": "/x"}}]}, True),
        ({"filters": [{"prefix": {"type": "a", "source": "/z"}}]}, False),
        ({"filters": [{"prefix": {"type": "a"}}, {"suffix": {"type": "v2"}}]}, False),
        ({"filters": [{"any": [{"exact": {"id": "2"}}, {"exact": {"id": "1"}}]}]}, True),
        ({"filters": [{"any": [{"exact": {"id": "2"}}]}]}, False),
        ({"filters": [{"any": []}]}, True),
        ({"filters": [{"all": []}]}, True),
        ({"filters": [{"all": [{"exact": {"id": "1"}}, {"exact": {"id": "2"}}]}]}, False),
        ({"filters": [{"not": {"exact": {"id": "2"}}}]}, True),
        ({"filters": [{"not": {"exact": {"id": "1"}}}]}, False),
        ({"filters": [{}]}, True),
        # `filters` overrides `filter`
        ({"filter": {"attributes": {"id": "2"}}, "filters": [{"exact": {"id": "1"}}]}, True),
    ],
)
def test_a_filter_matches_as_knatives_does(spec: dict[str, Any], *, matches: bool) -> None:
    assert compile_trigger(spec)(EVENT) is matches


@pytest.mark.parametrize(
    "spec",
    [
        {"filters": {"exact": {"id": "1"}}},
        {"filters": ["exact"]},
        {"filters": [{"exact": {"id": "1"}, "prefix": {"id": "1"}}]},
        {"filters": [{"cesql": "TRUE"}]},
        {"filters": [{"exact": {"ID": "1"}}]},
        {"filters": [{"exact": {"a.b": "1"}}]},
        {"filters": [{"exact": {"id": 1}}]},
        {"filters": [{"exact": "id"}]},
        {"filters": [{"any": {"exact": {"id": "1"}}}]},
        {"filters": [{"all": [{"nope": {}}]}]},
        {"filters": [{"not": []}]},
        {"filter": {"attributes": {"Type": "x"}}},
    ],
)
def test_what_is_not_understood_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(BadFilter):
        compile_trigger(spec)
