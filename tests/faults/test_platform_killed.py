"""A platform that is killed leaves nothing behind, and the next one goes on; a second is refused."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil

from knative.local import processes
from tests.support.data_plane import data_plane, eventually

ROOT = Path(__file__).parents[2]


def command(data: Path, port: int = 0) -> list[str]:
    return [sys.executable, "-m", "knative.local", "--data", str(data), "--port", str(port)]


@contextmanager
def platform(data: Path) -> Iterator[tuple["subprocess.Popen[str]", dict[str, object]]]:
    with (data.parent / "stderr").open("w") as errors:
        process = subprocess.Popen(
            command(data), cwd=ROOT, stdout=subprocess.PIPE, stderr=errors, text=True
        )
    assert process.stdout
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def below(process: "subprocess.Popen[str]") -> list[psutil.Process]:
    return psutil.Process(process.pid).children(recursive=True)


async def gone(found: list[psutil.Process]) -> None:
    async def left() -> list[psutil.Process]:
        return [p for p in found if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    await eventually(left, lambda left: not left, 10)


async def test_sigterm_ends_every_process_and_is_a_success(tmp_path: Path) -> None:
    with platform(tmp_path / "data") as (process, _):
        found = below(process)
        assert {"envoy"} <= {p.name() for p in found}
        process.terminate()
        assert process.wait(15) == 0
    await gone(found)
    assert not (tmp_path / "data" / "platform.json").exists()


async def test_kill_9_leaves_no_process_and_the_next_start_has_the_same_api(tmp_path: Path) -> None:
    with platform(tmp_path / "data") as (process, before):
        found = below(process)
        process.kill()
        process.wait(5)
    await gone(found)
    with platform(tmp_path / "data") as (_, after):
        assert after["ready"]
        assert after["api"] == before["api"]


async def test_a_killed_envoy_comes_back_with_the_routes_it_had(tmp_path: Path) -> None:
    async with data_plane(tmp_path) as plane:
        plane.revision("web-00001")
        plane.route({"revisionName": "web-00001", "percent": 100})
        await plane.answered()
        first = envoys()
        first[0].kill()
        await gone(first)
        await eventually(lambda: no_wait(envoys), bool)

        async def ask() -> str:
            with suppress(httpx.TransportError):
                return (await plane.get()).text
            return ""

        assert await eventually(ask, lambda text: text.startswith("web-00001"))


def envoys() -> list[psutil.Process]:
    """This test's own: other platforms of the run are processes below us, with theirs below them."""
    return [p for p in psutil.Process().children() if p.name() == "envoy"]


async def no_wait(ask: Callable[[], list[psutil.Process]]) -> list[psutil.Process]:
    return ask()


def refusal(*args: str) -> tuple[int, str]:
    done = subprocess.run(args, cwd=ROOT, capture_output=True, text=True, check=False, timeout=30)
    return done.returncode, done.stderr


def test_a_folder_in_use_and_a_taken_port_are_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with platform(tmp_path / "data") as (process, _):
        code, words = refusal(*command(tmp_path / "data"))
        assert code == 2
        assert f"in use by process {process.pid}" in words
        assert words.count("\n") == 1
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, words = refusal(*command(tmp_path / "other", port))
    assert (code, words.count("\n")) == (2, 1)
    assert f"port {port} is taken" in words


def test_a_sweep_kills_what_is_marked_and_spares_a_stranger_with_a_recorded_pid(
    tmp_path: Path,
) -> None:
    sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
    ours = subprocess.Popen(
        sleep, env={**os.environ, processes.MARK: str(tmp_path)}, start_new_session=True
    )
    stranger = subprocess.Popen(sleep, start_new_session=True)
    pids = tmp_path / "run" / "pids"
    pids.mkdir(parents=True)
    (pids / "old.json").write_text(json.dumps({"pid": stranger.pid, "started": 1.0}))
    try:
        # The environment is readable once the program is the new one.
        while ours.pid not in processes.sweep(tmp_path):
            pass
        assert ours.wait(5) == -signal.SIGKILL
        assert stranger.poll() is None
    finally:
        for process in (ours, stranger):
            process.kill()
            process.wait()
