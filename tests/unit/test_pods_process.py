"""Pods in a Store and the real processes that they become."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from knative.local.pods import PodRunner, Replica
from knative.local.pods_env import Surroundings
from knative.local.revision_pods import failure
from knative.local.store import Object, Store
from tests.support.data_plane import FUNCTION, until

NS = "ns"


@dataclass
class World:
    store: Store
    runner: PodRunner

    def pod(self, command: list[str] = FUNCTION, grace: float = 5, **env: str) -> None:
        variables = [{"name": key, "value": value} for key, value in env.items()]
        container = {"name": "c", "command": command, "env": variables}
        spec = {"containers": [container], "terminationGracePeriodSeconds": grace}
        labels = {"serving.knative.dev/revision": "r"}
        meta = {"namespace": NS, "name": "pod", "labels": labels}
        self.store.create({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})

    def status(self) -> Object:
        status: Object = self.store.get("Pod", NS, "pod").get("status") or {}
        return status

    def container(self) -> Any:
        return (self.status().get("containerStatuses") or [{}])[0]

    def replica(self) -> Replica:
        return self.runner.replicas((NS, "r"))[0]

    def processes(self, argument: str) -> list[psutil.Process]:
        children = psutil.Process().children(recursive=True)
        return [p for p in children if argument in " ".join(_line(p))]


def _line(process: psutil.Process) -> list[str]:
    with suppress(psutil.Error):
        return process.cmdline()
    return []


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    store = Store(tmp_path / "store.db")
    runner = PodRunner(store, Surroundings(tmp_path, 1, tmp_path / "kubeconfig"))
    running = asyncio.create_task(runner.run())
    yield World(store, runner)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    store.close()


async def test_a_pod_is_ready_when_its_process_listens_and_its_output_is_kept(world: World) -> None:
    world.pod()
    await until(lambda: world.container().get("ready"))
    assert world.status()["phase"] == "Running"
    assert world.runner.logs.tail("pod").startswith("starting")


async def test_prometheus_finds_a_pods_samples_by_its_annotations(world: World) -> None:
    world.pod()
    await until(lambda: world.container().get("ready"))
    notes = world.store.get("Pod", NS, "pod")["metadata"]["annotations"]
    assert notes["prometheus.io/scrape"] == "true"
    assert int(notes["prometheus.io/port"]) > 0


async def test_a_process_that_ends_is_started_again_and_its_last_words_are_told(
    world: World,
) -> None:
    world.pod(MODE="exit")
    await until(lambda: world.container().get("restartCount", 0) >= 2)
    last = world.container()["lastState"]["terminated"]
    assert last["exitCode"] == 1
    assert "cannot find the model" in last["message"]


async def test_a_process_that_was_ready_and_is_killed_again_and_again_is_no_failed_start(
    world: World,
) -> None:
    world.pod()
    killed: set[int] = set()
    for _ in range(3):
        await until(lambda: world.container().get("ready") and alive(world, killed))
        victim = alive(world, killed)[0]
        killed.add(victim.pid)
        victim.kill()
        await until(lambda: len(world.replica().ends) == len(killed))
        assert not failure([world.replica()])


def test_each_start_that_soon_ends_waits_longer_and_one_that_ran_well_begins_again() -> None:
    replica = Replica({})
    pauses = []
    for ran in (1.0, 1.0, 1.0, 60.0, 1.0, 60.0, 60.0):
        replica.ended(-9)
        pauses.append(replica.pause(ran))
    assert pauses == [0.2, 1.0, 5.0, 0.2, 1.0, 0.2, 0.2]


def alive(world: World, killed: set[int]) -> list[psutil.Process]:
    return [p for p in world.processes("tiny_function") if p.pid not in killed]


async def test_what_cannot_be_started_is_a_config_error_with_its_reason(world: World) -> None:
    world.pod(command=["no-such-program"])
    await until(lambda: "waiting" in world.container().get("state", {}))
    assert world.container()["state"]["waiting"]["reason"] == "CreateContainerConfigError"
    assert "no-such-program" in world.container()["state"]["waiting"]["message"]


async def test_a_deleted_pod_is_drained_before_its_process_is_told_to_end(world: World) -> None:
    alive_while_draining = []

    async def drain(replica: Replica) -> None:
        alive_while_draining.append((replica.stopping, bool(world.processes("tiny_function"))))

    world.runner.drain = drain
    world.pod()
    await until(lambda: world.container().get("ready"))
    world.store.delete("Pod", NS, "pod")
    await until(lambda: not world.runner.replicas((NS, "r")))
    assert alive_while_draining == [(True, True)]
    assert not world.processes("tiny_function")


async def test_a_process_that_ignores_sigterm_is_killed_after_its_grace(world: World) -> None:
    world.pod(grace=0.2, MODE="deaf")
    await until(lambda: world.container().get("ready"))
    world.store.delete("Pod", NS, "pod")
    await until(lambda: not world.processes("tiny_function"))


async def test_the_end_of_a_pod_says_nothing_about_the_next_of_its_name(world: World) -> None:
    world.pod(grace=1, MODE="deaf")
    await until(lambda: world.container().get("ready"))
    world.store.delete("Pod", NS, "pod")
    world.pod()
    await until(lambda: world.container().get("ready"))
    assert len(world.runner.replicas((NS, "r"))) == 2
    await until(lambda: len(world.runner.replicas((NS, "r"))) == 1)
    assert world.container()["ready"]
    assert world.status()["phase"] == "Running"


async def test_children_of_a_process_end_with_it(world: World) -> None:
    script = "import subprocess, sys; subprocess.Popen(['sleep', '61.25']); sys.stdin.read()"
    world.pod(command=["python", "-c", f"{script}; import time; time.sleep(60)"])
    await until(lambda: world.processes("61.25"))
    world.store.delete("Pod", NS, "pod")
    await until(lambda: not world.processes("61.25"))
