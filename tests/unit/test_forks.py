"""Replicas are forked where their template asks for it, and started plainly wherever that fails."""

import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

from knative.local.fork_client import UNKNOWN
from knative.local.forks import SWITCH, Forks
from knative.local.pods_env import ROOT
from knative.local.processes import MARK, Process, Spawn
from tests.support.data_plane import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks are for Linux")
PROGRAM = (sys.executable, "-m", "tests.support.forked")


@dataclass
class World:
    """Starts replicas and reads what they said."""

    forks: Forks
    data: Path
    processes: list[Process] = field(default_factory=list)

    async def start(self, name: str, *words: str, on: str = "true", **env: str) -> Process:
        around = {"PATH": os.environ["PATH"], "HOSTNAME": name, "FILES": f"/pods/{name}/secret"}
        spawn = Spawn(name, (*PROGRAM, *words), {**around, **env}, ROOT)
        pod = {"metadata": {"uid": name, "annotations": {SWITCH: on}}}
        with self.log(name).open("ab") as out:
            process = await self.forks.start(pod, spawn, out)
        self.forks.was_ready(pod)
        self.processes.append(process)
        return process

    def log(self, name: str) -> Path:
        return self.data / "logs" / f"{name}.log"

    async def said(self, name: str) -> dict[str, Any]:
        await until(lambda: self.log(name).read_text().endswith("\n"))
        said: dict[str, Any] = json.loads(self.log(name).read_text())
        return said

    async def server(self) -> psutil.Process:
        """Wait until the fork server is ready, and return it."""
        await until(lambda: bool(self.forks._servers))
        (client,) = self.forks._servers.values()
        return psutil.Process(client._process.pid)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    (tmp_path / "logs").mkdir()
    world = World(Forks(tmp_path), tmp_path)
    yield world
    for process in world.processes:
        await process.stop(5)
    await world.forks.close()


async def test_the_first_replica_starts_plainly_and_the_next_is_forked(world: World) -> None:
    first = await world.start("one", "a-word")
    server = await world.server()
    second = await world.start("two", "a-word")
    assert (await world.said("one"))["loaded_by"] == []
    said = await world.said("two")
    assert said == {
        "pid": second.pid,
        "loaded_by": [server.pid],
        "name": "two",
        "words": ["a-word"],
        "session": second.pid,
    }
    assert psutil.Process(second.pid).environ()[MARK] == str(world.data)
    assert await first.stop(5) == await second.stop(5) == -signal.SIGTERM
    assert world.forks.starts == {"plain": 1, "forked": 1}
    assert 'knative_local_starts_total{how="forked"} 1\n' in world.forks.metrics()


async def test_without_the_switch_nothing_is_forked(world: World) -> None:
    await world.start("one", on="false")
    await world.start("two", on="false")
    assert world.forks.starts == {"plain": 2}


async def test_another_environment_has_no_part_in_what_was_loaded(world: World) -> None:
    await world.start("one")
    await world.server()
    await world.start("two", MODEL="another")
    assert (await world.said("two"))["loaded_by"] == []


async def test_an_exit_code_is_told(world: World) -> None:
    spawned = await world.start("one", CODE="7")
    server = await world.server()
    forked = await world.start("two", CODE="7")
    assert await spawned.wait() == await forked.wait() == 7
    assert server.is_running()


async def test_a_fork_server_with_threads_refuses_and_replicas_start_plainly(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.start("one", "threads")
    await until(lambda: world.forks.starts["refused"] == 1)
    await world.start("two", "threads")
    assert (await world.said("two"))["loaded_by"] == []
    assert "2 threads run" in caplog.text


async def test_a_dead_fork_server_takes_no_replica_with_it_and_the_next_starts_plainly(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    await world.start("one")
    server = await world.server()
    forked = await world.start("two")
    server.kill()
    await world.start("three")
    assert (await world.said("three"))["loaded_by"] == []
    assert psutil.Process(forked.pid).is_running()
    assert caplog.text.count("it died") == 1
    assert await forked.stop(5) == UNKNOWN


async def test_what_was_forked_ends_with_the_platform(world: World) -> None:
    await world.start("one")
    await world.server()
    forked = await world.start("two")
    (client,) = world.forks._servers.values()
    client._control.shutdown(socket.SHUT_RDWR)  # as the kernel does for a platform that is killed
    assert await forked.wait() == UNKNOWN
    assert not psutil.pid_exists(forked.pid) or psutil.Process(forked.pid).status() == "zombie"


async def test_a_fork_server_that_is_let_go_takes_no_replica_with_it(world: World) -> None:
    await world.start("one")
    await world.server()
    forked = await world.start("two")
    await world.forks.close()
    assert psutil.Process(forked.pid).is_running()


async def test_a_program_that_cannot_be_preloaded_is_started_plainly(world: World) -> None:
    pod = {"metadata": {"uid": "p", "annotations": {SWITCH: "true"}}}
    spawn = Spawn("p", (sys.executable, "-m", "json.tool"), {"HOSTNAME": "p"}, ROOT)
    with world.log("p").open("ab") as out:
        world.processes.append(await world.forks.start(pod, spawn, out))
    world.forks.was_ready(pod)
    await until(lambda: world.forks.starts["refused"] == 1)
