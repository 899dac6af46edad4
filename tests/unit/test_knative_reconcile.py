"""Service → Configuration → Revision → Route, without a clock or a process."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from knative.local import carried
from knative.local.conditions import get_condition, set_condition
from knative.local.serving import gradual, revisions
from knative.local.serving.controller import reconcile
from knative.local.serving.rules import default_service
from knative.local.serving.traffic import Blocked, Urls, assign
from knative.local.store import NotFound, Store, timestamp

Object = dict[str, Any]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
URLS = Urls("localhost", 8080)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store.db")


def settle(store: Store) -> None:
    reconcile(store, URLS, ("default", "ner"))


def create(store: Store, **spec: Any) -> None:
    template: Object = {"spec": {"containers": [{"image": "x"}]}}
    obj = {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": "ner", "namespace": "default"},
        "spec": {"template": template, **spec},
    }
    default_service(obj, None)
    store.create(obj)
    settle(store)


def change(store: Store, **spec: Any) -> None:
    service = store.get("Service", "default", "ner")
    store.update({**service, "spec": {**service["spec"], **spec}})
    settle(store)


def template(image: str) -> Object:
    return {"spec": {"containers": [{"image": image}]}}


def set_ready(store: Store, name: str, value: Any = "True", message: str = "") -> None:
    status = store.get("Revision", "default", name).get("status") or {}
    set_condition(status, "Ready", value, message=message, now=NOW)
    store.update_status("Revision", "default", name, status)
    settle(store)


def status(store: Store, kind: str = "Service") -> Object:
    found: Object = store.get(kind, "default", "ner")["status"]
    return found


def ready(store: Store, kind: str = "Service") -> tuple[str, str]:
    condition = get_condition(status(store, kind), "Ready") or {}
    return condition["status"], condition.get("message", "")


def routed(store: Store) -> list[tuple[str, int]]:
    targets = status(store, "Route").get("traffic") or []
    return [(t["revisionName"], t["percent"]) for t in targets]


def test_a_new_service_waits_for_its_first_revision(store: Store) -> None:
    create(store)
    assert ready(store) == (
        "Unknown",
        'Configuration "ner" is waiting for a Revision to become ready.',
    )
    assert routed(store) == []
    assert status(store)["latestCreatedRevisionName"] == "ner-00001"
    assert "latestReadyRevisionName" not in status(store)


def test_a_first_revision_that_fails_is_told_and_routes_nothing(store: Store) -> None:
    create(store)
    set_ready(store, "ner-00001", "False", "exit code 3")
    assert ready(store, "Configuration") == (
        "False",
        'Revision "ner-00001" failed with message: exit code 3.',
    )
    assert ready(store, "Route") == (
        "False",
        'Configuration "ner" does not have any ready Revision.',
    )
    assert routed(store) == []


def test_reconciling_again_writes_nothing(store: Store) -> None:
    create(store)
    set_ready(store, "ner-00001")
    before = store.revision()
    settle(store)
    settle(store)
    assert store.revision() == before


def test_latest_traffic_moves_only_to_a_ready_revision(store: Store) -> None:
    create(store)
    set_ready(store, "ner-00001")
    change(store, template=template("y"))
    assert routed(store) == [("ner-00001", 100)]
    set_ready(store, "ner-00002", "False", "no")
    assert routed(store) == [("ner-00001", 100)]
    change(store, template=template("z"))
    set_ready(store, "ner-00003")
    assert routed(store) == [("ner-00003", 100)]
    assert ready(store) == ("True", "")


def test_a_gradual_rollout_starts_with_one_percent_and_says_that_it_goes_on(store: Store) -> None:
    create(store)
    set_ready(store, "ner-00001")
    service = store.get("Service", "default", "ner")
    service["metadata"].setdefault("annotations", {})[gradual.ANNOTATION] = "1h"
    store.update(service)
    change(store, template=template("y"))
    set_ready(store, "ner-00002")
    assert routed(store) == [("ner-00001", 99), ("ner-00002", 1)]
    assert ready(store) == ("Unknown", gradual.IN_PROGRESS[1])
    revision = store.revision()
    settle(store)
    assert store.revision() == revision
    service = store.get("Service", "default", "ner")
    del service["metadata"]["annotations"][gradual.ANNOTATION]
    store.update(service)
    settle(store)
    assert routed(store) == [("ner-00002", 100)]
    assert ready(store) == ("True", "")


def test_a_late_older_revision_does_not_replace_a_newer_ready_one(store: Store) -> None:
    create(store)
    change(store, template=template("y"))
    set_ready(store, "ner-00002")
    set_ready(store, "ner-00001")
    assert status(store)["latestReadyRevisionName"] == "ner-00002"


def test_a_revision_that_breaks_later_does_not_move_traffic_back(store: Store) -> None:
    create(store)
    set_ready(store, "ner-00001")
    change(store, template=template("y"))
    set_ready(store, "ner-00002")
    set_ready(store, "ner-00002", "False", "it crashed")
    assert routed(store) == [("ner-00002", 100)]
    assert ready(store)[0] == "False"


def test_a_split_with_one_missing_target_changes_nothing(store: Store) -> None:
    create(store)
    set_ready(store, "ner-00001")
    targets = [
        {"revisionName": "ner-00001", "percent": 90, "latestRevision": False},
        {"revisionName": "ner-00002", "percent": 10, "latestRevision": False, "tag": "candidate"},
    ]
    change(store, traffic=targets)
    assert routed(store) == [("ner-00001", 100)]
    assert ready(store, "Route") == (
        "False",
        'Revision "ner-00002" referenced in traffic not found.',
    )
    change(store, template=template("y"))
    assert ready(store, "Route") == ("Unknown", 'Revision "ner-00002" is not yet ready.')
    set_ready(store, "ner-00002")
    assert routed(store) == [("ner-00001", 90), ("ner-00002", 10)]


def test_an_object_that_cannot_be_reconciled_is_tried_again_later(store: Store) -> None:
    head = {"apiVersion": "serving.knative.dev/v1", "kind": "Service"}
    store.create({**head, "metadata": {"name": "ner", "namespace": "default"}, "spec": {}})
    assert reconcile(store, URLS, ("default", "ner")) is not None
    store.delete("Service", "default", "ner")
    assert reconcile(store, URLS, ("default", "ner")) is None


def test_observed_generation_follows(store: Store) -> None:
    create(store)
    set_ready(store, "ner-00001")
    change(store, template=template("y"))
    assert status(store)["observedGeneration"] == 2
    assert ready(store)[0] == "Unknown"


def test_the_revision_carries_the_templates_labels_and_annotations(store: Store) -> None:
    meta = {"labels": {"a": "1"}, "annotations": {"rollout.marketresearch.ai/digest": "sha256:x"}}
    create(store, template={**template("x"), "metadata": meta})
    found = store.get("Revision", "default", "ner-00001")["metadata"]
    assert found["labels"]["a"] == "1"
    assert found["annotations"]["rollout.marketresearch.ai/digest"] == "sha256:x"
    assert found["ownerReferences"][0]["kind"] == "Configuration"


def test_routing_state_is_active_then_reserve(store: Store) -> None:
    create(store)
    set_ready(store, "ner-00001")
    change(store, template=template("y"))
    set_ready(store, "ner-00002")
    states = {
        r["metadata"]["name"]: r["metadata"]["labels"][revisions.STATE]
        for r in store.list("Revision")
    }
    assert states == {"ner-00001": "reserve", "ner-00002": "active"}


def test_someone_elses_configuration_is_left_alone(store: Store) -> None:
    other = {"name": "ner", "namespace": "default"}
    spec = {"template": template("other")}
    head = {"apiVersion": "serving.knative.dev/v1", "kind": "Configuration"}
    store.create({**head, "metadata": other, "spec": spec})
    create(store)
    assert store.get("Configuration", "default", "ner")["spec"] == spec
    assert ready(store) == (
        "False",
        'There is an existing Configuration "ner" that we do not own.',
    )


def test_deleting_the_service_leaves_nothing(store: Store) -> None:
    create(store)
    store.delete("Service", "default", "ner")
    settle(store)
    for kind in ("Configuration", "Route"):
        with pytest.raises(NotFound):
            store.get(kind, "default", "ner")
    assert store.list("Revision") == []


def revision(number: int, created: datetime, state: str = "reserve") -> Object:
    labels = {revisions.GENERATION: str(number), revisions.STATE: state}
    meta = {"name": f"r{number}", "labels": labels, "creationTimestamp": timestamp(created)}
    return {"metadata": meta}


def test_old_unused_revisions_are_collected_and_the_last_20_kept() -> None:
    old = NOW - timedelta(hours=49)
    many = [revision(i, old) for i in range(1, 31)]
    assert revisions.outlived(many, {"r1"}, NOW) == [f"r{i}" for i in range(2, 11)]
    young = [revision(i, NOW - timedelta(hours=47)) for i in range(1, 31)]
    assert revisions.outlived(young, set(), NOW) == []
    active = [revision(i, old, "active") for i in range(1, 31)]
    assert revisions.outlived(active, set(), NOW) == []


def test_a_route_without_its_configuration_says_so() -> None:
    blocked = assign([{"latestRevision": True, "percent": 100}], None, {}, "ner")
    assert blocked == Blocked(
        "False", "ConfigurationMissing", 'Configuration "ner" referenced in traffic not found.'
    )


def test_addresses() -> None:
    assert URLS.external("ns", "ner", "previous") == "http://previous-ner.ns.localhost:8080"
    assert URLS.internal("ns", "ner") == "http://ner.ns.svc.cluster.local"
    assert Urls("example.com", 80).external("ns", "ner") == "http://ner.ns.example.com"


def test_a_route_is_ready_when_the_data_plane_carries_its_traffic_and_not_before(
    store: Store,
) -> None:
    create(store)
    set_ready(store, "ner-00001")
    change(store, template=template("y"))
    revision = store.get("Revision", "default", "ner-00002")
    set_condition(revision.setdefault("status", {}), "Ready", "True", now=NOW)
    store.update_status("Revision", "default", "ner-00002", revision["status"])
    reconcile(store, URLS, ("default", "ner"), lambda _route: False)
    ready = get_condition(store.get("Service", "default", "ner")["status"], "Ready") or {}
    assert (ready["status"], ready["reason"]) == ("Unknown", "Uninitialized")
    assert carried.waits(store.get("Route", "default", "ner"))
    taken = carried.routing(store.get("Route", "default", "ner"))
    carried.let_go(store, ("default", "ner"), taken, NOW)
    reconcile(store, URLS, ("default", "ner"), lambda _route: False)  # what it had it keeps
    ready = get_condition(store.get("Service", "default", "ner")["status"], "Ready") or {}
    assert ready["status"] == "True"
