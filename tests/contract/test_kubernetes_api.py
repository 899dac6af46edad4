"""The calls that clients other than kubectl make: `kn`'s, informers', controllers'.

Of our API only, because they are about its answers to the letter.
"""

import json
import ssl
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from tests.support.kube_api import KubeApi

Object = dict[str, Any]

NAMESPACE = "/apis/serving.knative.dev/v1/namespaces/marketresearch"
MAPS = "/api/v1/namespaces/marketresearch/configmaps"


@pytest.fixture
def api(kube: KubeApi) -> Iterator[httpx.Client]:
    config = yaml.safe_load((kube.data / "kubeconfig").read_text())
    authority = ssl.create_default_context(cafile=str(kube.data / "tls" / "cert.pem"))
    headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}
    server = config["clusters"][0]["cluster"]["server"]
    with httpx.Client(base_url=server, headers=headers, verify=authority, timeout=20) as client:
        yield client


def config_map(name: str, **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}}


def events(api: httpx.Client, path: str, **query: Any) -> Iterator[Object]:
    with api.stream("GET", path, params={"watch": "true", **query}) as response:
        for line in response.iter_lines():
            yield json.loads(line)


def test_kn_creates_updates_and_deletes(api: httpx.Client, service: Object, name: str) -> None:
    assert api.get(f"{NAMESPACE}/services/{name}").status_code == 404
    made = api.post(f"{NAMESPACE}/services", json=service)
    assert made.status_code == 201
    version = made.json()["metadata"]["resourceVersion"]
    first = next(
        events(
            api,
            f"{NAMESPACE}/services",
            fieldSelector=f"metadata.name={name}",
            resourceVersion=version,
            timeoutSeconds=630,
            timeout="10m30s",
        )
    )
    assert first["type"] == "MODIFIED"
    assert first["object"]["status"]["conditions"]
    stale = api.put(f"{NAMESPACE}/services/{name}", json=made.json())
    assert (stale.status_code, stale.json()["reason"]) == (409, "Conflict")
    fresh = api.get(f"{NAMESPACE}/services/{name}").json()
    fresh["spec"]["template"]["spec"]["timeoutSeconds"] = 10
    assert api.put(f"{NAMESPACE}/services/{name}", json=fresh).status_code == 200
    selector = {"labelSelector": f"serving.knative.dev/service={name}"}
    found = api.get(f"{NAMESPACE}/revisions", params=selector).json()["items"]
    assert all(r["metadata"]["annotations"] for r in found)  # kn reads them without looking
    body = {"propagationPolicy": "Background"}
    gone = api.request("DELETE", f"{NAMESPACE}/services/{name}", json=body)
    assert gone.json()["status"] == "Success"


def test_initial_events_end_with_the_bookmark_that_clients_wait_for(
    api: httpx.Client, name: str
) -> None:
    api.post(MAPS, json=config_map(name))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}
    selector = {"fieldSelector": f"metadata.name={name}", "allowWatchBookmarks": "true"}
    stream = events(api, MAPS, **query, **selector)
    assert next(stream)["type"] == "ADDED"
    bookmark = next(stream)
    assert bookmark["type"] == "BOOKMARK"
    notes = bookmark["object"]["metadata"]["annotations"]
    assert notes == {"k8s.io/initial-events-end": "true"}
    resumed = events(api, MAPS, resourceVersion=bookmark["object"]["metadata"]["resourceVersion"])
    api.delete(f"{MAPS}/{name}")
    assert next(stream)["type"] == "DELETED"
    assert next(resumed)["object"]["metadata"]["name"] == name


def test_a_label_that_comes_and_goes_is_an_addition_and_a_deletion(
    api: httpx.Client, name: str
) -> None:
    version = api.get(MAPS).json()["metadata"]["resourceVersion"]
    api.post(MAPS, json=config_map(name))
    for value in (name, "other"):
        patch = {"metadata": {"labels": {"tier": value}}}
        headers = {"Content-Type": "application/merge-patch+json"}
        api.patch(f"{MAPS}/{name}", json=patch, headers=headers)
    stream = events(api, MAPS, labelSelector=f"tier={name}", resourceVersion=version)
    assert [next(stream)["type"] for _ in range(2)] == ["ADDED", "DELETED"]


def test_a_watch_ends_when_its_time_is_over(api: httpx.Client, name: str) -> None:
    selector = {"fieldSelector": f"metadata.name={name}"}
    assert list(events(api, MAPS, timeoutSeconds=1, **selector)) == []


def test_a_watch_tells_the_first_change_to_a_client_with_no_version(
    api: httpx.Client, name: str
) -> None:
    api.post(MAPS, json=config_map(name))
    selector = {"fieldSelector": f"metadata.name={name}"}
    assert next(events(api, MAPS, **selector))["type"] == "ADDED"


def test_status_and_spec_are_written_apart(
    api: httpx.Client, kube: KubeApi, service: Object, name: str
) -> None:
    api.post(f"{NAMESPACE}/services", json={**service, "status": {"url": "http://forged"}})
    found = api.get(f"{NAMESPACE}/services/{name}").json()
    assert (found.get("status") or {}).get("url") != "http://forged"
    kube.wait_for(f"{name}-00001")
    merge = {"Content-Type": "application/merge-patch+json"}
    changed = api.patch(
        f"{NAMESPACE}/revisions/{name}-00001/status",
        json={"status": {"logUrl": "x"}, "metadata": {"labels": {"a": "b"}}, "spec": {}},
        headers=merge,
    )
    assert changed.json()["status"]["logUrl"] == "x"
    assert "a" not in changed.json()["metadata"]["labels"]


def test_a_custom_resource_is_never_replaced_blindly(
    api: httpx.Client, service: Object, name: str
) -> None:
    api.post(f"{NAMESPACE}/services", json=service)
    refused = api.put(f"{NAMESPACE}/services/{name}", json=service)
    assert (refused.status_code, refused.json()["reason"]) == (422, "Invalid")
    assert "must be specified for an update" in refused.json()["message"]
    api.post(MAPS, json=config_map(name))
    assert api.put(f"{MAPS}/{name}", json=config_map(name, a="b")).status_code == 200


def test_generated_names_and_collections(api: httpx.Client, name: str) -> None:
    for _ in range(2):
        made = api.post(
            MAPS, json={"metadata": {"generateName": f"{name}-", "labels": {"set": name}}}
        )
        assert made.json()["metadata"]["name"].startswith(f"{name}-")
    selector = {"labelSelector": f"set={name}"}
    assert len(api.get(MAPS, params=selector).json()["items"]) == 2
    api.delete(MAPS, params=selector)
    assert api.get(MAPS, params=selector).json()["items"] == []


def test_orphaned_children_stay(
    api: httpx.Client, service: Object, kube: KubeApi, name: str
) -> None:
    api.post(f"{NAMESPACE}/services", json=service)
    kube.wait_for(f"{name}-00001")
    body = {"propagationPolicy": "Orphan"}
    api.request("DELETE", f"{NAMESPACE}/services/{name}", json=body)
    child = api.get(f"{NAMESPACE}/configurations/{name}")
    assert child.status_code == 200
    assert child.json()["metadata"].get("ownerReferences", []) == []


def test_preconditions_protect_a_deletion(api: httpx.Client, name: str) -> None:
    api.post(MAPS, json=config_map(name))
    body = {"preconditions": {"uid": "another"}}
    assert api.request("DELETE", f"{MAPS}/{name}", json=body).status_code == 409
    assert api.get(f"{MAPS}/{name}").status_code == 200
