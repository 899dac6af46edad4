"""The store: versions, generations, conflicts, owners."""

from pathlib import Path
from typing import Any

import pytest

from knative.local.conditions import owner_reference
from knative.local.store import AlreadyExists, Conflict, NotFound, Store

Object = dict[str, Any]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.db")


def obj(name: str, kind: str = "ConfigMap", **rest: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": kind,
        "metadata": {"name": name, "namespace": "default"},
        **rest,
    }


def test_create_sets_what_only_the_server_may_set(store: Store) -> None:
    made = store.create(obj("a"))["metadata"]
    assert made["generation"] == 1
    assert made["resourceVersion"] == str(store.revision())
    assert made["uid"]
    assert made["creationTimestamp"].endswith("Z")


def test_nobody_else_reads_the_file_that_holds_secrets(store: Store, tmp_path: Path) -> None:
    store.create(obj("a", "Secret"))
    assert all(not file.stat().st_mode & 0o077 for file in tmp_path.glob("store.db*"))


def test_a_taken_name_is_refused_in_kubernetes_words(store: Store) -> None:
    store.create(obj("a", "Service"))
    with pytest.raises(AlreadyExists, match=r'services\.serving\.knative\.dev "a" already exists'):
        store.create(obj("a", "Service"))


def test_get_of_nothing_is_refused_in_kubernetes_words(store: Store) -> None:
    with pytest.raises(NotFound, match='configmaps "a" not found'):
        store.get("ConfigMap", "default", "a")


def test_readers_get_private_copies(store: Store) -> None:
    store.create(obj("a", data={"k": "v"}))
    store.get("ConfigMap", "default", "a")["data"]["k"] = "changed"
    store.list("ConfigMap")[0]["data"]["k"] = "changed"
    assert store.get("ConfigMap", "default", "a")["data"] == {"k": "v"}


def test_only_a_new_spec_makes_a_new_generation(store: Store) -> None:
    made = store.create(obj("a", "Service", spec={"x": 1}))
    made["metadata"]["labels"] = {"l": "1"}
    assert store.update(made)["metadata"]["generation"] == 1
    del made["metadata"]["resourceVersion"]
    made["spec"] = {"x": 2}
    assert store.update(made)["metadata"]["generation"] == 2
    assert store.update_status("Service", "default", "a", {"y": 1})["metadata"]["generation"] == 2


def test_a_stale_update_is_a_conflict_and_changes_nothing(store: Store) -> None:
    stale = store.create(obj("a", data={"k": "1"}))
    store.update({**stale, "data": {"k": "2"}})
    with pytest.raises(Conflict, match="please apply your changes to the latest version"):
        store.update({**stale, "data": {"k": "3"}})
    assert store.get("ConfigMap", "default", "a")["data"] == {"k": "2"}


def test_writes_that_change_nothing_are_not_written(store: Store) -> None:
    made = store.create(obj("a", "Service", status={"x": 1}))
    before = store.revision()
    store.update(made)
    store.update_status("Service", "default", "a", {"x": 1})
    assert store.revision() == before


def test_lists_choose_by_namespace_and_labels(store: Store) -> None:
    for name, labels in (("a", {"t": "1"}), ("b", {"t": "2"}), ("c", {"t": "1", "u": "1"})):
        made = obj(name)
        made["metadata"]["labels"] = labels
        store.create(made)
    assert [o["metadata"]["name"] for o in store.list("ConfigMap", labels={"t": "1"})] == ["a", "c"]
    assert store.list("ConfigMap", "other") == []


def test_delete_takes_what_is_owned_all_the_way_down(store: Store) -> None:
    top = store.create(obj("top", "Service"))
    middle = obj("middle", "Configuration")
    middle["metadata"]["ownerReferences"] = [owner_reference(top)]
    low = obj("low", "Revision")
    low["metadata"]["ownerReferences"] = [owner_reference(store.create(middle))]
    store.create(low)
    store.create(obj("other", "Revision"))
    store.delete("Service", "default", "top")
    left = [
        o["metadata"]["name"] for kind in ("Configuration", "Revision") for o in store.list(kind)
    ]
    assert left == ["other"]


def test_orphans_stay_and_forget_their_owner(store: Store) -> None:
    top = store.create(obj("top", "Service"))
    child = obj("child", "Route")
    child["metadata"]["ownerReferences"] = [owner_reference(top)]
    store.create(child)
    store.delete("Service", "default", "top", orphan=True)
    assert store.get("Route", "default", "child")["metadata"]["ownerReferences"] == []


def test_what_was_written_is_there_after_opening_again(store: Store, tmp_path: Path) -> None:
    store.create(obj("a", data={"k": "v"}))
    store.create(obj("b"))
    store.delete("ConfigMap", "default", "b")
    before = store.revision()
    store.close()
    again = Store(tmp_path / "store.db")
    assert again.revision() == before
    assert again.get("ConfigMap", "default", "a")["data"] == {"k": "v"}
    assert int(again.create(obj("c"))["metadata"]["resourceVersion"]) > before
