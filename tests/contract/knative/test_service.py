"""A Service and what it makes: Configuration, Revisions, Route, addresses, conditions."""

from typing import Any

from tests.support.knative_target import API, Target, host_of

Object = dict[str, Any]


def test_a_ready_service_has_its_address_its_latest_revision_and_all_traffic_on_it(
    knative: Target, name: str
) -> None:
    knative.started(knative.service(name))
    service = knative.get("ksvc", name)
    status, meta = service["status"], service["metadata"]
    assert host_of(status["url"]) == knative.host(name)
    assert status["address"]["url"] == f"http://{name}.{knative.namespace}.svc.cluster.local"
    assert status["latestCreatedRevisionName"] == status["latestReadyRevisionName"]
    assert status["observedGeneration"] == meta["generation"]
    assert status["traffic"] == [
        {"latestRevision": True, "percent": 100, "revisionName": f"{name}-00001"}
    ]
    assert {c["type"]: c["status"] for c in status["conditions"]} == {
        "ConfigurationsReady": "True",
        "Ready": "True",
        "RoutesReady": "True",
    }


def test_a_service_that_is_ready_is_reached_at_once(knative: Target, name: str) -> None:
    knative.apply(knative.service(name))
    knative.wait(f"ksvc/{name}")
    assert knative.ask(name).status_code == 200
    knative.patch(
        name, {"spec": {"traffic": [{"latestRevision": True, "percent": 100, "tag": "a"}]}}
    )
    knative.tagged(name, "a")
    knative.wait(f"ksvc/{name}")
    assert knative.ask(name, "a").status_code == 200


def test_a_container_is_told_its_service_configuration_revision_and_port(
    knative: Target, name: str
) -> None:
    knative.started(knative.service(name))
    told = knative.ask(name).json()
    assert (told["K_SERVICE"], told["K_CONFIGURATION"]) == (name, name)
    assert told["K_REVISION"] == f"{name}-00001"
    assert told["PORT"].isdigit()


def test_revisions_are_named_by_the_generation_of_their_configuration(
    knative: Target, name: str
) -> None:
    knative.started(knative.service(name))
    knative.patch(name, {"spec": {"template": knative.template(GREETING="two")}})
    knative.eventually(lambda: knative.answers(name, 1) == {f"{name}-00002": 1})
    labels = knative.get("rev", f"{name}-00002")["metadata"]["labels"]
    assert labels["serving.knative.dev/service"] == name
    assert labels["serving.knative.dev/configurationGeneration"] == "2"


def test_only_a_change_of_the_template_makes_a_revision(knative: Target, name: str) -> None:
    knative.started(knative.service(name))
    knative.kubectl("annotate", "ksvc", name, "note=1")
    knative.kubectl("label", "ksvc", name, "note=1")
    pinned = [{"revisionName": f"{name}-00001", "percent": 100, "tag": "one"}]
    knative.patch(name, {"spec": {"traffic": pinned}})
    assert knative.tagged(name, "one")["revisionName"] == f"{name}-00001"
    listed = knative.kubectl(
        "get", "rev", "-l", f"serving.knative.dev/service={name}", "-o", "name"
    )
    assert listed.split() == [f"revision.serving.knative.dev/{name}-00001"]


def test_the_template_s_labels_and_annotations_are_carried_to_the_revision(
    knative: Target, name: str
) -> None:
    template = knative.template()
    template["metadata"] = {"labels": {"team": "a"}, "annotations": {"example.com/digest": "d"}}
    knative.started(knative.service(name, template=template))
    meta = knative.get("rev", f"{name}-00001")["metadata"]
    assert meta["labels"]["team"] == "a"
    assert meta["annotations"]["example.com/digest"] == "d"


def test_a_revision_cannot_be_changed_but_in_its_metadata(knative: Target, name: str) -> None:
    knative.started(knative.service(name))
    revision = f"{name}-00001"
    knative.kubectl("annotate", "rev", revision, "example.com/note=1")
    change = '{"spec":{"timeoutSeconds":5}}'
    refusal = knative.refused("patch", "rev", revision, "--type=merge", "-p", change)
    assert "Immutable fields changed (-old +new): spec" in refusal


def test_a_chosen_revision_name_allows_no_other_change_without_a_new_name(
    knative: Target, name: str
) -> None:
    template = knative.template()
    template["metadata"]["name"] = f"{name}-one"
    knative.started(knative.service(name, template=template))
    assert knative.answers(name, 1) == {f"{name}-one": 1}
    change = '{"spec":{"template":{"spec":{"timeoutSeconds":5}}}}'
    refusal = knative.refused("patch", "ksvc", name, "--type=merge", "-p", change)
    assert "Saw the following changes without a name change (-old +new)" in refusal


def test_a_cluster_local_service_has_only_its_internal_address(knative: Target, name: str) -> None:
    service = knative.service(name)
    service["metadata"]["labels"] = {"networking.knative.dev/visibility": "cluster-local"}
    knative.apply(service)
    knative.wait(f"ksvc/{name}")
    url = knative.get("ksvc", name)["status"]["url"]
    assert host_of(url) == f"{name}.{knative.namespace}.svc.cluster.local"
    assert knative.ask(name).status_code == 404


def test_deleting_a_service_deletes_what_it_made(knative: Target, name: str) -> None:
    knative.started(knative.service(name))
    knative.kubectl("delete", "ksvc", name)
    for kind, child in (("cfg", name), ("rt", name), ("rev", f"{name}-00001")):
        knative.eventually(lambda what=(kind, child): knative.run("get", *what).returncode)
    knative.eventually(lambda: knative.ask(name).status_code == 404)


def test_a_revision_that_cannot_start_says_why_on_the_service(knative: Target, name: str) -> None:
    knative.apply(knative.service(name, template=knative.template(FAIL="no model here")))
    knative.wait(f"ksvc/{name}", "--for=condition=Ready=False")
    told = knative.condition("ksvc", name, "ConfigurationsReady")
    assert told["reason"] == "RevisionFailed"
    assert told["message"].startswith(f'Revision "{name}-00001" failed with message: ')
    assert "no model here" in told["message"]


def test_a_route_of_its_own_follows_a_configuration(knative: Target, name: str) -> None:
    head = {"apiVersion": API, "metadata": {"name": name}}
    configuration = {**head, "kind": "Configuration", "spec": {"template": knative.template()}}
    targets = [{"configurationName": name, "percent": 100}]
    knative.apply(configuration, {**head, "kind": "Route", "spec": {"traffic": targets}})
    knative.wait(f"rt/{name}")
    knative.eventually(lambda: knative.ask(name).status_code == 200)
    assert knative.answers(name, 1) == {f"{name}-00001": 1}
    knative.kubectl("delete", f"rt/{name}", f"cfg/{name}")
