"""How many run: to zero, back from it, and what keeps a Revision up."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.support.knative_target import Target

QUICK = {"window": "6s"}  # the shortest that Knative allows; the grace of 30 s runs beside it
AUTOSCALING = "autoscaling.knative.dev/"


def pinned(knative: Target, name: str, *tags: tuple[str, str]) -> None:
    """Send everything to the second Revision; tag others at 0 %."""
    traffic = [{"revisionName": f"{name}-00002", "percent": 100, "latestRevision": False}]
    traffic += [
        {"revisionName": revision, "percent": 0, "tag": tag, "latestRevision": False}
        for revision, tag in tags
    ]
    knative.patch(name, {"spec": {"traffic": traffic}})


def asleep(knative: Target, revision: str) -> None:
    knative.eventually(lambda: knative.replicas(revision) == 0, 90)


def test_an_unused_revision_goes_to_zero_stays_ready_and_wakes_with_one_start_for_many_requests(
    knative: Target, name: str
) -> None:
    template = knative.template(notes={**QUICK, "target": "200"})
    knative.started(knative.service(name, template=template))
    asleep(knative, f"{name}-00001")
    assert knative.condition("ksvc", name)["status"] == "True"
    active = knative.condition("rev", f"{name}-00001", "Active")
    assert (active["status"], active["reason"]) == ("False", "NoTraffic")
    with ThreadPoolExecutor(20) as callers:
        answers = [*callers.map(lambda _: knative.ask(name), range(20))]
    assert {a.status_code for a in answers} == {200}
    assert len({a.json()["pid"] for a in answers}) == 1


def test_a_tag_address_wakes_its_revision_from_zero(knative: Target, name: str) -> None:
    template = knative.template(notes=QUICK)
    knative.started(knative.service(name, template=template))
    knative.patch(name, {"spec": {"template": knative.template(GREETING="two")}})
    knative.eventually(lambda: knative.answers(name, 1) == {f"{name}-00002": 1})
    pinned(knative, name, (f"{name}-00001", "previous"))
    knative.tagged(name, "previous")
    asleep(knative, f"{name}-00001")
    knative.eventually(lambda: knative.ask(name, "previous").status_code == 200)
    assert knative.answers(name, 1, "previous") == {f"{name}-00001": 1}


def test_min_scale_holds_a_tagged_revision_at_zero_percent_until_the_tag_is_taken_away(
    knative: Target, name: str
) -> None:
    template = knative.template(notes=QUICK)
    knative.started(knative.service(name, template=template))
    knative.patch(name, {"spec": {"template": knative.template(GREETING="two")}})
    knative.eventually(lambda: knative.answers(name, 1) == {f"{name}-00002": 1})
    one = f"{name}-00001"
    pinned(knative, name, (one, "previous"))
    knative.tagged(name, "previous")
    asleep(knative, one)
    knative.kubectl("annotate", "rev", one, f"{AUTOSCALING}min-scale=1")
    knative.eventually(lambda: knative.replicas(one) == 1)
    pinned(knative, name)
    asleep(knative, one)


def test_min_scale_keeps_its_replicas_and_a_deleted_pod_is_replaced(
    knative: Target, name: str
) -> None:
    template = knative.template(notes={"min-scale": "2"})
    knative.started(knative.service(name, template=template))
    selector = f"serving.knative.dev/revision={name}-00001"
    pods = knative.get("pods", "-l", selector)["items"]
    assert len(pods) == 2
    gone = pods[0]["metadata"]["name"]
    knative.kubectl("delete", "pod", gone, "--wait=false")
    knative.eventually(lambda: knative.replicas(f"{name}-00001") == 2)
    assert knative.ask(name).status_code == 200


@pytest.mark.parametrize(("limit", "at_least"), [(1, 2)])
def test_container_concurrency_brings_replicas_rather_than_more_requests_at_once(
    knative: Target, name: str, limit: int, at_least: int
) -> None:
    service = knative.service(name, template=knative.template(notes=QUICK))
    service["spec"]["template"]["spec"]["containerConcurrency"] = limit
    knative.started(service)
    pids: set[int] = set()

    def spread() -> bool:
        with ThreadPoolExecutor(6) as callers:
            answers = [*callers.map(lambda _: knative.ask(name, path="/slow"), range(6))]
        assert {a.status_code for a in answers} == {200}
        pids.update(a.json()["pid"] for a in answers)
        return len(pids) >= at_least

    knative.eventually(spread)
