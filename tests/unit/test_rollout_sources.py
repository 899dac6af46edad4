"""Sources of samples: whatever is wrong with one, there are no samples rather than wrong ones."""

from typing import Any

import httpx
import pytest

from functions.rollout.settings import Settings
from functions.rollout.sources import Prometheus, Scrape, SourceUnavailable, Wanted, choose
from knative.serving.samples import Sample

NOW = 1_700_000_000.0
WANTED = Wanted("ns", ["a-1", "a-2"], awake=True)
LABELS = {"namespace_name": "ns", "revision_name": "a-1", "response_code_class": "5xx"}
NEWER = {
    "k8s_namespace_name": "ns",
    "kn_revision_name": "a-1",
    "http_response_status_code": "503",
}
NEW = {"__name__": "kn_serving_invocation_duration_seconds_count", **NEWER}
FOUND = {"metric": {"__name__": "revision_app_request_count", **LABELS}, "value": [NOW, "7"]}


def clock() -> float:
    return NOW


def answering(*answers: httpx.Response | Exception) -> httpx.AsyncClient:
    due = list(answers)

    def answer(_request: httpx.Request) -> httpx.Response:
        found = due.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    return httpx.AsyncClient(transport=httpx.MockTransport(answer))


def rows(*found: Any, **more: Any) -> httpx.Response:
    data = {"resultType": "vector", "result": list(found)}
    return httpx.Response(200, json={"status": "success", "data": data, **more})


def age(seconds: float) -> httpx.Response:
    return rows({"metric": {}, "value": [NOW, str(NOW - seconds)]})


def value(text: str) -> dict[str, Any]:
    return {**FOUND, "value": [NOW, text]}


@pytest.mark.parametrize("metric", [FOUND["metric"], NEW])
async def test_prometheus_gives_the_counters_of_the_revisions_in_both_generations(
    metric: dict[str, str],
) -> None:
    found = rows({"metric": metric, "value": [NOW, "7"]})
    snapshot = await Prometheus(answering(found, age(10)), "http://p", clock).read(WANTED)
    assert snapshot.of("a-1") == Sample(7, 7)


@pytest.mark.parametrize(
    "answers",
    [
        (httpx.ConnectError("refused"),),
        (httpx.Response(503),),
        (httpx.Response(200, text="<html>"),),
        (httpx.Response(200, json=[]),),
        (httpx.Response(400, json={"status": "error"}),),
        (rows(),),
        (rows(FOUND, warnings=["a store is away"]),),
        (rows(FOUND), rows()),
        (rows(FOUND), age(300)),
        (rows(FOUND), age(float("nan"))),
        (rows(value("NaN")), age(1)),
        (rows(value("+Inf")), age(1)),
        (rows({"metric": NEW, "value": [NOW, "NaN"]}), age(1)),
        (rows({"metric": {}, "value": [NOW, "1"]}), age(1)),
    ],
)
async def test_prometheus_down_empty_stale_partial_or_nan_is_unavailable(answers: Any) -> None:
    with pytest.raises(SourceUnavailable):
        await Prometheus(answering(*answers), "http://p", clock).read(WANTED)


async def test_numbers_of_what_sleeps_may_be_old() -> None:
    asleep = Wanted("ns", ["a-1", "a-2"], awake=False)
    snapshot = await Prometheus(answering(rows(FOUND)), "http://p", clock).read(asleep)
    assert snapshot.of("a-1").requests == 7


@pytest.mark.parametrize("answer", [httpx.ConnectError("x"), httpx.Response(500), rows()])
async def test_a_scrape_that_fails_or_is_empty_is_unavailable(answer: Any) -> None:
    with pytest.raises(SourceUnavailable):
        await Scrape(answering(answer), "http://m", clock).read(WANTED)


def test_the_environment_chooses_and_prometheus_comes_first() -> None:
    http = answering()
    both = Settings("http://b", "http://m", prometheus_url="http://p/")
    assert isinstance(choose(http, both, clock), Prometheus)
    assert isinstance(choose(http, Settings("http://b", "http://m"), clock), Scrape)


async def test_without_any_source_the_note_says_what_to_set() -> None:
    with pytest.raises(SourceUnavailable, match="neither PROMETHEUS_URL"):
        await choose(answering(), Settings("http://b"), clock).read(WANTED)
