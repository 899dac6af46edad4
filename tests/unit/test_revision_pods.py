"""A Revision's Pods and conditions as values."""

from datetime import UTC, datetime
from typing import Any

from knative.local import revision_pods
from knative.local.conditions import get_condition
from knative.local.pods import Replica

NOW = datetime(2026, 1, 1, tzinfo=UTC)
NO_PROBLEM = ("", "")


def revision(number: int = 1, status: Any = None) -> Any:
    labels = {
        "serving.knative.dev/service": "web",
        "serving.knative.dev/configuration": "web",
        "serving.knative.dev/configurationGeneration": str(number),
    }
    meta = {"namespace": "ns", "name": f"web-{number:05}", "uid": f"u{number}", "generation": 1}
    spec = {"timeoutSeconds": 7, "containers": [{"env": [{"name": "A", "value": "1"}]}]}
    kind = {"apiVersion": "serving.knative.dev/v1", "kind": "Revision"}
    return {**kind, "metadata": {**meta, "labels": labels}, "spec": spec, "status": status or {}}


def pod(uid: str, created: str = "1") -> Any:
    return {"metadata": {"uid": uid, "creationTimestamp": created}}


def truth(status: Any, kind: str = "Ready") -> tuple[str, str]:
    condition = get_condition(status, kind) or {}
    return condition["status"], condition.get("reason", "")


def after(status: Any, ready: int, desired: int, problem: tuple[str, str] = NO_PROBLEM) -> Any:
    return revision_pods.revision_status(revision(status=status), ready, desired, problem, NOW)


def test_a_pod_knows_its_revision_its_service_and_how_long_its_requests_may_take() -> None:
    made = revision_pods.pod_for(revision())
    env = {e["name"]: e["value"] for e in made["spec"]["containers"][0]["env"]}
    assert env == {
        "A": "1",
        "K_SERVICE": "web",
        "K_CONFIGURATION": "web",
        "K_REVISION": "web-00001",
    }
    assert made["spec"]["terminationGracePeriodSeconds"] == 7
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u1"
    assert made["metadata"]["name"] != revision_pods.pod_for(revision())["metadata"]["name"]


def test_fewer_replicas_take_those_that_are_not_ready_first_then_the_newest() -> None:
    old, new, starting = pod("a", "1"), pod("b", "2"), pod("c", "0")
    replicas = [Replica(old, ready=True), Replica(new, ready=True), Replica(starting)]
    gone = revision_pods.surplus([starting, new, old], replicas, 1)
    assert [p["metadata"]["uid"] for p in gone] == ["b", "c"]


def test_a_new_revision_is_unknown_then_ready_and_stays_so_at_zero() -> None:
    starting = after({}, ready=0, desired=1)
    assert truth(starting) == ("Unknown", "Deploying")
    assert truth(starting, "Active") == ("Unknown", "Queued")
    ready = after(starting, ready=1, desired=1)
    assert truth(ready) == ("True", "")
    asleep = after(ready, ready=0, desired=0)
    assert truth(asleep) == ("True", "")
    assert truth(asleep, "Active") == ("False", "NoTraffic")


def test_a_failed_first_start_has_the_process_reason_and_a_later_failure_keeps_it_ready() -> None:
    failed = after({}, ready=0, desired=1, problem=("ExitCode1", "no model"))
    assert truth(failed) == ("False", "ExitCode1")
    assert truth(failed, "ContainerHealthy") == ("False", "ExitCode1")
    late = after({}, ready=0, desired=1, problem=("ProgressDeadlineExceeded", "60 s"))
    assert truth(late, "ResourcesAvailable") == ("False", "ProgressDeadlineExceeded")
    ready = after({}, ready=1, desired=1)
    assert truth(after(ready, 0, 1, ("ExitCode1", "no model"))) == ("True", "")


def test_a_failed_revision_that_comes_up_after_all_is_ready() -> None:
    failed = after({}, ready=0, desired=1, problem=("ExitCode1", "no model"))
    assert truth(after(failed, ready=1, desired=1)) == ("True", "")


def test_a_start_has_failed_after_three_ends_in_a_row() -> None:
    replica = Replica(pod("a"), problem="no model")
    replica.ended(1)
    replica.ended(1)
    assert not revision_pods.failure([replica])
    replica.ended(1)
    assert "no model" in revision_pods.failure([replica])
    assert revision_pods.exit_reason([replica]) == "ExitCode1"


def test_only_a_later_ready_revision_of_the_same_configuration_overtakes() -> None:
    ready = after({}, ready=1, desired=1)
    assert revision_pods.overtakes(revision(2, ready), revision(1))
    assert not revision_pods.overtakes(revision(2), revision(1))
    assert not revision_pods.overtakes(revision(1, ready), revision(2))
