"""The project's own client on the same platform: what the rollout relies on."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from knative.serving import errors
from knative.serving.client import REVISIONS, SERVICES, KubeClient
from knative.serving.kubeconfig import find
from tests.support.knative_target import Target


@pytest.fixture
async def client(knative: Target) -> AsyncIterator[KubeClient]:
    cluster = find({"KUBECONFIG": str(knative.kubeconfig)})
    own = KubeClient(replace(cluster, namespace=knative.namespace))
    yield own
    await own.close()


async def test_a_write_over_an_older_version_is_a_conflict_and_the_newest_is_taken(
    knative: Target, name: str, client: KubeClient
) -> None:
    knative.started(knative.service(name))
    read = await client.get(SERVICES, name)
    knative.kubectl("annotate", "ksvc", name, "by=another")
    read["spec"]["traffic"] = [{"revisionName": f"{name}-00001", "percent": 100}]
    with pytest.raises(errors.Conflict):
        await client.update(SERVICES, read)
    fresh = await client.get(SERVICES, name)
    written = await client.update(SERVICES, {**fresh, "spec": read["spec"]})
    assert written["spec"]["traffic"][0]["revisionName"] == f"{name}-00001"


async def test_a_service_s_revisions_are_found_by_its_label(
    knative: Target, name: str, client: KubeClient
) -> None:
    knative.started(knative.service(name))
    found = await client.list(REVISIONS, {"serving.knative.dev/service": name})
    assert [revision["metadata"]["name"] for revision in found] == [f"{name}-00001"]


async def test_a_watch_from_a_version_on_tells_every_later_change(
    knative: Target, name: str, client: KubeClient
) -> None:
    knative.started(knative.service(name))
    since = (await client.get(SERVICES, name))["metadata"]["resourceVersion"]
    await client.patch(SERVICES, name, {"metadata": {"annotations": {"note": "1"}}})
    await client.delete(SERVICES, name)
    seen = []
    async for change in client.watch(SERVICES, name, since):
        seen.append(change.type)
        if change.type == "DELETED":
            break
    assert seen[0] == "MODIFIED"


async def test_a_refusal_is_told_in_knatives_words(
    knative: Target, name: str, client: KubeClient
) -> None:
    service = knative.service(name, traffic=[{"latestRevision": True, "percent": 90}])
    with pytest.raises(errors.KubeError, match="Traffic targets sum to 90, want 100"):
        await client.create(SERVICES, service)
    with pytest.raises(errors.NotFound):
        await client.get(SERVICES, name)
