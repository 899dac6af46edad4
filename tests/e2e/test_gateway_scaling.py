"""A function sleeps, wakes for whoever asks, and says why when it cannot. Real Envoy, real processes."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.support.data_plane import Plane, data_plane, until

ALL = {"revisionName": "web-00001", "percent": 100}
BIG = {"autoscaling.knative.dev/target": "1000"}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with data_plane(tmp_path) as running:
        yield running


async def asleep(plane: Plane, revision: str = "web-00001") -> None:
    await until(lambda: plane.status(revision).get("actualReplicas") == 0 and not plane.pods())
    await until(lambda: not functions())  # one that is drained may still answer


def functions() -> list[psutil.Process]:
    return [p for p in psutil.Process().children(recursive=True) if "tiny_function" in line(p)]


def line(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


async def test_an_unused_revision_goes_to_zero_stays_ready_and_wakes_for_a_request(
    plane: Plane,
) -> None:
    plane.revision("web-00001")
    plane.route(ALL)
    assert (await plane.answered()).text.startswith("web-00001")
    await asleep(plane)
    assert plane.condition("web-00001")["status"] == "True"
    assert plane.condition("web-00001", "Active")["reason"] == "NoTraffic"
    assert (await plane.get()).text.startswith("web-00001")
    assert len(plane.pods()) == 1


async def test_200_requests_at_once_on_a_sleeping_function_are_answered_with_one_start_up(
    plane: Plane,
) -> None:
    plane.revision("web-00001", annotations=BIG)
    plane.route(ALL)
    await plane.answered()
    await asleep(plane)
    answers = await asyncio.gather(*(plane.get() for _ in range(200)))
    assert {a.status_code for a in answers} == {200}
    assert len({a.text.split()[1] for a in answers}) == 1


async def test_waiting_for_a_start_is_counted_but_is_not_in_the_latencies(plane: Plane) -> None:
    plane.revision("web-00001", MODE="late", SECONDS="1")
    plane.route(ALL)
    await plane.answered()
    lines = await plane.metrics()
    counts = [line for line in lines if line.startswith("revision_app_request_count{")]
    assert 'revision_name="web-00001",response_code="200",response_code_class="2xx"' in counts[0]
    assert not [line for line in lines if "latencies_count" in line and "web-00001" in line]


async def test_load_over_the_target_brings_more_replicas(plane: Plane) -> None:
    target = {"autoscaling.knative.dev/target": "10", "autoscaling.knative.dev/max-scale": "3"}
    plane.revision("web-00001", annotations=target, SECONDS="1")
    plane.route(ALL)
    await plane.answered()
    stop = asyncio.Event()

    async def ask() -> None:
        while not stop.is_set():
            assert (await plane.get("/slow")).status_code == 200

    callers = [asyncio.create_task(ask()) for _ in range(25)]
    await until(lambda: plane.status("web-00001").get("actualReplicas") == 3)
    stop.set()
    await asyncio.gather(*callers)


async def test_a_hard_limit_holds_while_replicas_come_and_requests_wait(plane: Plane) -> None:
    plane.revision("web-00001", spec={"containerConcurrency": 1}, SECONDS="0.1")
    plane.route(ALL)
    await plane.answered()
    answers = await asyncio.gather(*(plane.get("/slow") for _ in range(30)))
    assert {a.status_code for a in answers} == {200}
    assert {a.text.split()[2] for a in answers} == {"1"}


async def test_a_process_that_exits_at_once_is_the_revisions_reason(plane: Plane) -> None:
    plane.revision("web-00001", MODE="exit")
    plane.route(ALL)
    await until(lambda: plane.condition("web-00001").get("status") == "False")
    ready = plane.condition("web-00001")
    assert ready["reason"] == "ExitCode1"
    assert "cannot find the model" in ready["message"]
    refused = await plane.get()
    assert refused.status_code == 503
    assert refused.headers["retry-after"]
    assert "cannot find the model" in refused.json()["error"]["message"]


async def test_a_process_that_is_never_ready_misses_its_deadline_and_is_stopped(
    plane: Plane,
) -> None:
    plane.revision(
        "web-00001", annotations={"serving.knative.dev/progress-deadline": "2s"}, MODE="mute"
    )
    plane.route(ALL)
    await until(lambda: plane.condition("web-00001").get("status") == "False")
    assert plane.condition("web-00001")["reason"] == "ProgressDeadlineExceeded"
    await until(lambda: not plane.pods())


async def test_a_start_that_a_newer_ready_revision_has_overtaken_is_given_up(plane: Plane) -> None:
    plane.revision("web-00001", MODE="mute")
    plane.revision("web-00002")
    plane.route({"revisionName": "web-00002", "percent": 100})
    await plane.answered()
    await until(lambda: plane.status("web-00001").get("desiredReplicas") == 0)
    await until(lambda: {p["metadata"]["labels"]["app"] for p in plane.pods()} <= {"web-00002"})


async def test_a_deleted_pod_is_replaced(plane: Plane) -> None:
    plane.revision("web-00001")
    plane.route(ALL)
    await plane.answered()
    first = plane.pods()[0]["metadata"]["name"]
    plane.store.delete("Pod", "ns", first)
    await until(lambda: [p["metadata"]["name"] for p in plane.pods()] not in ([], [first]))
    assert (await plane.get()).status_code == 200


async def test_min_scale_holds_only_where_a_route_reaches(plane: Plane) -> None:
    keep = {"autoscaling.knative.dev/min-scale": "1"}
    plane.revision("web-00001", annotations=keep)
    plane.route({**ALL, "percent": 0, "tag": "previous"})
    await plane.answered("previous-web.ns.localhost")
    plane.revision("web-00002")
    await asleep_only(plane, "web-00002")
    assert plane.status("web-00001")["actualReplicas"] == 1
    plane.route({"revisionName": "web-00002", "percent": 100})
    await asleep_only(plane, "web-00001")


async def asleep_only(plane: Plane, revision: str) -> None:
    await until(lambda: plane.status(revision).get("actualReplicas") == 0)


async def test_a_request_at_work_when_the_platform_ends_is_answered(tmp_path: Path) -> None:
    async with data_plane(tmp_path) as plane:
        plane.revision("web-00001", SECONDS="1", MODE="polite")
        plane.route(ALL)
        await plane.answered()
        at_work = asyncio.create_task(plane.get("/slow"))
        await asyncio.sleep(0.3)
        await plane.stop()
        assert (await at_work).status_code == 200


async def test_the_end_of_the_platform_ends_a_process_that_ignores_sigterm(tmp_path: Path) -> None:
    async with data_plane(tmp_path) as plane:
        plane.revision("web-00001", MODE="deaf")
        plane.route(ALL)
        pid = int((await plane.answered()).text.split()[1])
        assert psutil.pid_exists(pid)
    assert not psutil.pid_exists(pid)


async def test_of_many_sleeping_services_each_wakes_and_the_gateway_watches_no_file(
    plane: Plane,
) -> None:
    for number in range(150):
        name = f"s{number}-00001"
        plane.revision(name)
        plane.store.update_status("Revision", "ns", name, {"actualReplicas": 0})
        plane.route({"revisionName": name, "percent": 100}, name=f"s{number}")
    for number in (0, 149):
        answer = await plane.answered(f"s{number}.ns.localhost")
        assert answer.text.startswith(f"s{number}-00001")
    opened = open_files_of_the_gateway(plane)
    assert opened
    assert "anon_inode:inotify" not in opened  # a user has 128 of them, an editor some dozens


def open_files_of_the_gateway(plane: Plane) -> list[str]:
    pid = json.loads((plane.data / "run" / "pids" / "envoy.json").read_text())["pid"]
    return [os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()]  # noqa: PTH115 - not a path
