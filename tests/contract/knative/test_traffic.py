"""Who gets the traffic: pins, splits, tags, what is missing or broken, roll-back, gradual rollout."""

from typing import Any

import pytest

from tests.support.knative_target import Target, host_of

Object = dict[str, Any]
ROLLOUT = "serving.knative.dev/rollout-duration"


def to(revision: str, percent: int, tag: str = "") -> Object:
    target = {"revisionName": revision, "percent": percent, "latestRevision": False}
    return target | ({"tag": tag} if tag else {})


@pytest.fixture
def two(knative: Target, name: str) -> tuple[str, str]:
    """A Service pinned to its first Revision, and a second that is ready."""
    knative.started(knative.service(name, template=knative.template(GREETING="one")))
    one, two = f"{name}-00001", f"{name}-00002"
    template = knative.template(GREETING="two")
    knative.patch(name, {"spec": {"template": template, "traffic": [to(one, 100)]}})
    knative.wait(f"ksvc/{name}", "--for=jsonpath={.status.latestReadyRevisionName}=" + two)
    knative.wait(f"ksvc/{name}")
    return one, two


def test_with_traffic_pinned_a_new_template_makes_a_ready_revision_that_gets_nothing(
    knative: Target, name: str, two: tuple[str, str]
) -> None:
    assert knative.condition("rev", two[1])["status"] == "True"
    assert knative.answers(name, 20) == {two[0]: 20}
    traffic = knative.get("ksvc", name)["status"]["traffic"]
    assert [t["revisionName"] for t in traffic] == [two[0]]


def test_a_split_sends_each_revision_its_percent(
    knative: Target, name: str, two: tuple[str, str]
) -> None:
    one, second = two
    knative.patch(name, {"spec": {"traffic": [to(one, 80), to(second, 20)]}})
    knative.eventually(lambda: second in knative.answers(name, 10))
    counted = knative.answers(name, 300)
    assert 25 <= counted[second] <= 95  # five standard deviations around 60
    assert counted[one] + counted[second] == 300


def test_a_tag_has_an_address_that_reaches_its_revision_at_zero_percent(
    knative: Target, name: str, two: tuple[str, str]
) -> None:
    one, second = two
    knative.patch(name, {"spec": {"traffic": [to(one, 100), to(second, 0, "candidate")]}})
    assert host_of(knative.tagged(name, "candidate")["url"]) == knative.host(name, "candidate")
    knative.eventually(lambda: knative.ask(name, "candidate").status_code == 200)
    assert knative.answers(name, 10, "candidate") == {second: 10}
    assert knative.answers(name, 10) == {one: 10}
    knative.patch(name, {"spec": {"traffic": [to(one, 100)]}})
    knative.eventually(lambda: knative.ask(name, "candidate").status_code == 404)


def test_an_unknown_revision_keeps_the_whole_previous_routing_and_is_named(
    knative: Target, name: str, two: tuple[str, str]
) -> None:
    knative.patch(name, {"spec": {"traffic": [to(two[1], 50), to("nope", 50)]}})
    knative.wait(f"ksvc/{name}", "--for=condition=RoutesReady=False")
    told = knative.condition("ksvc", name, "RoutesReady")
    assert told["reason"] == "RevisionMissing"
    assert told["message"] == 'Revision "nope" referenced in traffic not found.'
    assert knative.answers(name, 20) == {two[0]: 20}


def test_a_tagged_revision_that_is_not_ready_yet_keeps_the_old_routing_until_it_is(
    knative: Target, name: str
) -> None:
    knative.started(knative.service(name))
    one, two = f"{name}-00001", f"{name}-00002"
    traffic = [to(one, 100), to(two, 0, "candidate")]
    slow = knative.template(START_SECONDS="4")
    knative.patch(name, {"spec": {"template": slow, "traffic": traffic}})
    knative.eventually(
        lambda: knative.condition("ksvc", name, "RoutesReady").get("status") == "Unknown"
    )
    told = knative.condition("ksvc", name, "RoutesReady")
    assert told["reason"] == "RevisionMissing"
    assert told["message"] == f'Revision "{two}" is not yet ready.'
    assert knative.answers(name, 5) == {one: 5}
    assert knative.tagged(name, "candidate")["percent"] == 0
    knative.eventually(lambda: knative.ask(name, "candidate").status_code == 200)


def test_a_failing_revision_never_takes_traffic_from_the_last_ready_one(
    knative: Target, name: str
) -> None:
    knative.started(knative.service(name))
    knative.patch(name, {"spec": {"template": knative.template(FAIL="it cannot start")}})
    knative.wait(f"ksvc/{name}", "--for=condition=Ready=False")
    service = knative.get("ksvc", name)["status"]
    assert service["latestCreatedRevisionName"] == f"{name}-00002"
    assert service["latestReadyRevisionName"] == f"{name}-00001"
    assert knative.answers(name, 20) == {f"{name}-00001": 20}


def test_traffic_and_template_roll_back_in_one_patch(
    knative: Target, name: str, two: tuple[str, str]
) -> None:
    one, second = two
    knative.patch(name, {"spec": {"traffic": [to(second, 100)]}})
    knative.eventually(lambda: knative.answers(name, 1) == {second: 1})
    template = knative.template(GREETING="one")
    knative.patch(name, {"spec": {"template": template, "traffic": [to(one, 100)]}})
    knative.eventually(lambda: knative.answers(name, 1) == {one: 1})
    assert knative.answers(name, 20) == {one: 20}
    latest = "--for=jsonpath={.status.latestReadyRevisionName}=" + f"{name}-00003"
    knative.wait(f"ksvc/{name}", latest)
    assert knative.answers(name, 5) == {one: 5}
    spec = knative.get("rev", f"{name}-00003")["spec"]
    assert spec["containers"][0]["env"] == [{"name": "GREETING", "value": "one"}]


def test_latest_traffic_moves_at_once_without_a_rollout_duration(
    knative: Target, name: str
) -> None:
    knative.started(knative.service(name))
    knative.patch(name, {"spec": {"template": knative.template(GREETING="two")}})
    knative.wait(
        f"ksvc/{name}", "--for=jsonpath={.status.latestReadyRevisionName}=" + f"{name}-00002"
    )
    knative.eventually(lambda: knative.answers(name, 1) == {f"{name}-00002": 1})
    assert knative.answers(name, 20) == {f"{name}-00002": 20}


def test_a_rollout_duration_moves_latest_traffic_by_steps_from_one_percent(
    knative: Target, name: str
) -> None:
    service = knative.service(name)
    service["metadata"]["annotations"] = {ROLLOUT: "8s"}
    knative.started(service)
    knative.patch(name, {"spec": {"template": knative.template(GREETING="two")}})
    seen: list[int] = []

    def finished() -> bool:
        targets = knative.get("rt", name)["status"]["traffic"]
        assert sum(t["percent"] for t in targets) == 100
        newest = [t["percent"] for t in targets if t["revisionName"] == f"{name}-00002"]
        if newest and newest[0] not in seen:
            seen.append(newest[0])
        return seen[-1:] == [100]

    knative.eventually(finished)
    assert seen == sorted(seen)
    assert len(seen) >= 4
    assert seen[0] < 20
    knative.wait(f"ksvc/{name}")
    assert knative.answers(name, 10) == {f"{name}-00002": 10}
