"""Server-side apply: ownership, conflicts, removal."""

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knative.local.api.fields import Writer, apply, leaves, track
from knative.local.errors import Conflict

Object = dict[str, Any]

Trees = st.recursive(
    st.integers(0, 3) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
Specs = st.dictionaries(st.sampled_from("abc"), Trees, min_size=1, max_size=3)


def writer(name: str, operation: Literal["Apply", "Update"] = "Apply") -> Writer:
    return Writer(name, operation, "2026-01-01T00:00:00Z", "v1")


def obj(**spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "spec": spec}


def applied(live: Object | None, wanted: Object, name: str, *, force: bool = False) -> Object:
    return apply(live, wanted, writer(name), filled=wanted, force=force)


def managers(found: Object) -> set[str]:
    return {entry["manager"] for entry in found["metadata"]["managedFields"]}


@given(Specs)
def test_what_is_applied_is_there(spec: Object) -> None:
    assert applied(None, obj(**spec), "me")["spec"] == spec


@given(Specs)
def test_applying_again_changes_nothing(spec: Object) -> None:
    once = applied(None, obj(**spec), "me")
    assert applied(once, obj(**spec), "me") == once


@given(Specs, Specs)
def test_forcing_always_gets_its_values(first: Object, second: Object) -> None:
    live = applied(None, obj(**first), "one")
    forced = applied(live, obj(**second), "two", force=True)
    wanted = leaves(obj(**second))
    got = leaves(forced)
    for path, value in wanted.items():
        if value != {}:  # an empty map asks for nothing inside
            assert got[path] == value


@given(Specs, Specs)
def test_a_manager_that_lets_go_leaves_only_what_others_want(first: Object, second: Object) -> None:
    live = applied(None, obj(a=first), "one")
    both = applied(live, obj(b=second), "two")
    alone = applied(both, obj(), "two")
    assert alone["spec"] == {"a": first}


def test_equal_values_are_shared_without_conflict() -> None:
    live = applied(None, obj(a=1), "one")
    both = applied(live, obj(a=1), "two")
    assert managers(both) == {"one", "two"}
    assert applied(both, obj(), "one")["spec"] == {"a": 1}


def test_a_conflict_names_every_field_and_its_owner() -> None:
    live = applied(None, obj(a=1, b={"c": [1]}), "one")
    with pytest.raises(Conflict) as refused:
        applied(live, obj(a=2, b={"c": [2]}), "two")
    assert 'conflict with "one": .spec.a' in refused.value.message
    assert ".spec.b.c" in refused.value.message
    assert len((refused.value.details or {})["causes"]) == 2


def test_an_update_takes_only_what_it_changes() -> None:
    live = applied(None, obj(a=1, b=2), "one")
    changed = track(live, {**live, "spec": {"a": 9, "b": 2}}, writer("hand", "Update"))
    with pytest.raises(Conflict, match=r'conflict with "hand" using Update: \.spec\.a'):
        applied(changed, obj(a=1, b=2), "one")
    assert applied(changed, obj(b=3), "one")["spec"] == {"a": 9, "b": 3}


def test_an_update_that_changes_nothing_leaves_owners_alone() -> None:
    live = applied(None, obj(a=1), "one")
    assert track(live, {**live}, writer("hand", "Update")) == live
