"""Where a request goes, what it carries, and what it survives. Real Envoy, real processes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.support.data_plane import Plane, data_plane, until

ALL = {"revisionName": "web-00001", "percent": 100}
KEEP = {"autoscaling.knative.dev/min-scale": "1"}


@pytest.fixture
async def plane(tmp_path: Path) -> AsyncIterator[Plane]:
    async with data_plane(tmp_path) as running:
        yield running


async def test_traffic_is_split_by_percent_and_tags_reach_their_revision(plane: Plane) -> None:
    plane.revision("web-00001", annotations=KEEP)
    plane.revision("web-00002", annotations=KEEP)
    plane.route({**ALL, "percent": 80}, {"revisionName": "web-00002", "percent": 20, "tag": "next"})
    await plane.answered()
    answers = await asyncio.gather(*(plane.get() for _ in range(300)))
    share = Counter(a.text.split()[0] for a in answers)
    assert share.total() == 300
    assert 30 <= share["web-00002"] <= 95
    assert (await plane.get(host="next-web.ns.localhost")).text.startswith("web-00002")


async def test_a_function_has_its_cluster_name_through_the_gateway_as_a_proxy(plane: Plane) -> None:
    plane.revision("web-00001")
    plane.route(ALL, labels={"networking.knative.dev/visibility": "cluster-local"})
    await plane.answered("web.ns.svc.cluster.local")
    proxy = f"http://127.0.0.1:{plane.port}"
    async with httpx.AsyncClient(proxy=proxy, trust_env=False) as client:
        answer = await client.get("http://web.ns.svc.cluster.local/x?y=1")
    assert answer.text.startswith("web-00001")
    outside = await plane.get(host="web.ns.localhost")
    assert outside.status_code == 404


async def test_an_unknown_host_is_a_404_that_says_so(plane: Plane) -> None:
    answer = await plane.get(host="nobody.ns.localhost")
    assert answer.status_code == 404
    error = answer.json()["error"]
    assert error["code"] == "not_found"
    assert error["request_id"] == answer.headers["x-request-id"]


async def test_request_id_and_traceparent_are_kept_and_an_id_is_made(plane: Plane) -> None:
    plane.revision("web-00001")
    plane.route(ALL)
    await plane.answered()
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    given = {"x-request-id": "mine", "traceparent": trace, "x-envoy-upstream-rq-timeout-ms": "1"}
    answer = await plane.get("/headers", headers=given)
    seen = answer.json()
    assert (seen["x-request-id"], seen["traceparent"]) == ("mine", trace)
    assert answer.headers["x-request-id"] == "mine"
    assert seen["x-forwarded-proto"] == "http"
    assert seen["x-forwarded-for"]
    assert "x-envoy-upstream-rq-timeout-ms" not in seen
    assert (await plane.get("/headers")).json()["x-request-id"]


async def test_a_process_that_dies_in_a_request_is_a_503_that_is_counted_and_not_retried(
    plane: Plane,
) -> None:
    plane.revision("web-00001")
    plane.route(ALL)
    await plane.answered()
    await until_straight(plane)
    before = len(await plane.metrics())
    seen = [(await plane.get("/crash")).status_code]
    while seen[-1] != 200:
        seen.append((await plane.get()).status_code)
    lines = await plane.metrics()
    failed = [x for x in lines if 'response_code="503"' in x and "web-00001" in x]
    assert seen[0] == 503
    assert failed[0].endswith(f" {seen.count(503)}")
    assert len(lines) > before


async def until_straight(plane: Plane) -> None:
    """Ask until Envoy reaches the replica without the activator, which latencies show."""
    for _ in range(100):
        await plane.get()
        if any("latencies_count" in line for line in await plane.metrics()):
            return
    raise AssertionError


async def test_scale_down_and_a_deleted_revision_lose_no_request(plane: Plane) -> None:
    plane.revision("web-00001", SECONDS="1")
    plane.route(ALL)
    await plane.answered()
    slow = [asyncio.create_task(plane.get("/slow")) for _ in range(20)]
    await until(plane.pods)
    await asyncio.sleep(0.2)
    plane.store.delete("Pod", "ns", plane.pods()[0]["metadata"]["name"])
    quick = [await plane.get() for _ in range(50)]
    assert {a.status_code for a in quick} == {200}
    assert {(await s).status_code for s in slow} == {200}


async def test_deleting_a_revision_lets_its_last_requests_finish(plane: Plane) -> None:
    plane.revision("web-00001", SECONDS="1")
    plane.route(ALL)
    await plane.answered()
    slow = [asyncio.create_task(plane.get("/slow")) for _ in range(10)]
    await asyncio.sleep(0.3)
    plane.route()
    plane.store.delete("Revision", "ns", "web-00001")
    for pod in plane.pods():  # what its owner reference does where there is an API
        plane.store.delete("Pod", "ns", pod["metadata"]["name"])
    assert {(await s).status_code for s in slow} == {200}


async def test_a_move_of_traffic_under_load_loses_no_request(plane: Plane) -> None:
    plane.revision("web-00001", annotations=KEEP)
    plane.revision("web-00002", annotations=KEEP)
    plane.route(ALL)
    await plane.answered()
    done = asyncio.Event()
    seen: Counter[int] = Counter()

    async def ask() -> None:
        while not done.is_set():
            seen[(await plane.get()).status_code] += 1

    callers = [asyncio.create_task(ask()) for _ in range(5)]
    for percent in (90, 50, 10, 0, 100, 0):
        other = {"revisionName": "web-00002", "percent": 100 - percent}
        plane.route({**ALL, "percent": percent}, other)
        await asyncio.sleep(0.2)
    done.set()
    await asyncio.gather(*callers)
    assert set(seen) == {200}


async def test_a_request_longer_than_the_revisions_time_is_a_504(plane: Plane) -> None:
    plane.revision("web-00001", spec={"timeoutSeconds": 1}, SECONDS="3")
    plane.route(ALL)
    await plane.answered()
    await until_straight(plane)
    answer = await plane.get("/slow")
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "deadline_exceeded")
