"""Replicas of a Revision: none is made that nothing would ever take away again."""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import cast

from knative.local.dataplane.controller import DataPlane
from knative.local.dataplane.envoy import Envoy
from knative.local.pods import PodRunner
from knative.local.pods_env import Surroundings
from knative.local.scaling import Scaler
from knative.local.store import Object, Store
from tests.support.data_plane import until

NS, NAME = "ns", "r-00001"


def revision(store: Store) -> Object:
    notes = {"autoscaling.knative.dev/initial-scale": "0"}
    meta = {"namespace": NS, "name": NAME, "annotations": notes}
    spec = {"containers": [{"name": "c", "image": "x", "command": ["sleep", "1"]}]}
    head = {"apiVersion": "serving.knative.dev/v1", "kind": "Revision"}
    return store.create({**head, "metadata": meta, "spec": spec})


async def test_a_request_that_comes_as_its_revision_goes_leaves_no_pod_behind(
    tmp_path: Path,
) -> None:
    store = Store(tmp_path / "store.db")
    runner = PodRunner(store, Surroundings(tmp_path, 1, tmp_path / "kubeconfig"))  # runs nothing
    scaler = Scaler(store, runner, DataPlane(store, runner, cast(Envoy, None), "localhost"))
    running = asyncio.create_task(scaler.run())
    for again in (False, True):  # gone, or gone and there is another of its name
        first = revision(store)
        await until(lambda: "status" in store.get("Revision", NS, NAME))
        store.delete("Revision", NS, NAME)
        if again:
            revision(store)
        scaler.wake((NS, NAME))
        await asyncio.sleep(0.1)  # what must not come has no end to wait for
        owners = [pod["metadata"]["ownerReferences"][0]["uid"] for pod in store.list("Pod")]
        assert first["metadata"]["uid"] not in owners
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    store.close()
