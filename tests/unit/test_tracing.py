"""Where a span hangs, what it says, and that none is made where nobody collects."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eventing import telemetry
from eventing.spans import Place, above, child, parse
from functions.runtime import last_samples, metrics, tracing
from functions.runtime.app import build_app
from functions.runtime.function import Function, no_warmup
from functions.runtime.http import Client
from tests.support.collector import Collector, collecting

STORY = Place("a" * 32, "1" * 16)
SAME = Place("a" * 32, "2" * 16)
OTHER = Place("b" * 32, "3" * 16)
COUNTED = metrics.counter("test_tracing_total", "For this test", ("kind",))
TIMED = metrics.histogram("test_tracing_seconds", "For this test", buckets=(1.0, 2.0))


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as found:
        telemetry.configure({telemetry.ENDPOINT: found.url}, {"service.name": "test"})
        yield found
        telemetry.flush()
        telemetry.configure({}, {})


@asynccontextmanager
async def nothing(_environ: Mapping[str, str]) -> AsyncIterator[int]:
    yield 1


async def relay(_request: Request) -> Response:
    transport = httpx.MockTransport(lambda request: httpx.Response(200, json=dict(request.headers)))
    async with Client(transport=transport) as http:
        answer = await http.post("http://next/", headers={"ce-traceparent": STORY.traceparent})
    return JSONResponse(answer.json())


async def asked(headers: dict[str, str]) -> dict[str, str]:
    function = Function("test", nothing, [Route("/relay/{name}", relay)], no_warmup)
    app = build_app(function, {})
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://function") as http:
        answer = await http.get("/relay/x", headers=headers)
    found: dict[str, str] = answer.json()
    return found


@pytest.mark.parametrize(
    ("hop", "story", "parent", "links"),
    [
        (None, None, None, ()),
        (OTHER, None, OTHER, ()),
        (None, STORY, STORY, (STORY,)),
        (STORY, STORY, STORY, (STORY,)),
        (SAME, STORY, SAME, (STORY,)),
        (OTHER, STORY, STORY, (STORY, OTHER)),
    ],
)
def test_an_events_span_belongs_to_its_story_and_links_to_the_hop(
    hop: Place | None, story: Place | None, parent: Place | None, links: tuple[Place, ...]
) -> None:
    assert above(hop, story) == (parent, links)


@given(st.text(max_size=60))
def test_what_is_no_traceparent_is_none(text: str) -> None:
    found = parse(text)
    assert found is None or found.traceparent[:52] == text[:52]


def test_a_traceparent_survives_reading_and_an_invalid_one_does_not() -> None:
    assert parse(STORY.traceparent) == STORY
    assert parse(Place("a" * 32, "1" * 16, sampled=False).traceparent) is not None
    assert parse(f"00-{'0' * 32}-{'1' * 16}-01") is None
    assert parse(f"00-{'a' * 32}-{'0' * 16}-01") is None
    assert parse(None) is None
    assert child(STORY).trace_id == STORY.trace_id
    assert child(None).trace_id != child(None).trace_id


async def test_without_a_collector_places_travel_on_as_they_came() -> None:
    got = await asked({"traceparent": SAME.traceparent})
    assert got["traceparent"] == SAME.traceparent
    assert telemetry.active() is None


def test_a_start_is_a_trace_of_its_phases_one_after_the_other(collector: Collector) -> None:
    tracing.close_start({"import": 0.25, "load": 0.5}, 2_000_000_000)
    telemetry.flush()
    whole, first, second = (span for span in collector.spans if span.name.startswith("cold start"))
    assert [first.name, second.name] == ["cold start: import", "cold start: load"]
    assert first.parent == second.parent == whole.id
    assert {whole.trace, first.trace, second.trace} == {whole.trace}
    assert whole.attributes["faas.coldstart"]


async def test_a_request_and_its_call_are_two_spans_of_one_trace(collector: Collector) -> None:
    got = await asked({"traceparent": SAME.traceparent, "x-request-id": "r1"})
    telemetry.flush()
    server = next(span for span in collector.spans if span.name == "GET /relay/{name}")
    call = next(span for span in collector.spans if span.name == "POST next")
    assert (server.trace, server.parent) == (SAME.trace_id, SAME.span_id)
    assert (call.trace, call.parent) == (SAME.trace_id, server.id)
    assert got["traceparent"] == f"00-{call.trace}-{call.id}-01"
    assert server.attributes["faas.trigger"] == "http"
    assert server.attributes["faas.invocation_id"] == "r1"
    assert server.attributes["http.response.status_code"] == 200


async def test_a_tick_that_tells_of_a_story_is_linked_and_the_call_is_the_storys(
    collector: Collector,
) -> None:
    await asked(
        {"traceparent": OTHER.traceparent, "ce-type": "dev.knative.sources.ping", "ce-id": "1"}
    )
    telemetry.flush()
    server = next(span for span in collector.spans if span.name.startswith("GET"))
    call = next(span for span in collector.spans if span.name.startswith("POST"))
    assert server.trace == OTHER.trace_id
    assert (call.trace, call.parent) == (STORY.trace_id, STORY.span_id)
    assert call.links == (STORY.span_id, server.id)
    assert server.attributes["faas.trigger"] == "timer"
    assert server.attributes["cloudevents.event_id"] == "1"


async def test_what_nobody_sampled_is_not_sent(collector: Collector) -> None:
    quiet = Place("c" * 32, "4" * 16, sampled=False)
    await asked({"traceparent": quiet.traceparent})
    telemetry.flush()
    assert [span.name for span in collector.spans if span.trace == quiet.trace_id] == []


@pytest.mark.parametrize(
    ("told", "start", "now", "waited"),
    [
        (0.0, "", 5.0, True),
        (10.0, "", 10.5, True),
        (10.0, "", 11.5, False),
        (10.0, "t=9000", 60.0, True),
        (10.0, "10001", 10.1, False),
    ],
)
def test_a_cold_start_is_told_of_requests_that_waited_and_of_no_other(
    told: float, start: str, now: float, *, waited: bool
) -> None:
    readiness = tracing.Readiness(told)
    readiness.tell(now)
    assert readiness.waited(start, now) is (waited or told == 0.0)


def test_the_last_samples_arrive_as_they_were_counted(collector: Collector) -> None:
    COUNTED.labels(kind="a").inc(3)
    for seconds in (0.5, 1.5, 1.7, 9.0):
        TIMED.labels().observe(seconds)
    last_samples.farewell()
    (point,) = collector.samples["test", "test_tracing_total"]
    assert point.as_double == 3  # type: ignore[attr-defined] # protobuf makes its fields at run time
    (timed,) = collector.samples["test", "test_tracing_seconds"]
    assert list(timed.bucket_counts) == [1, 2, 1]  # type: ignore[attr-defined] # likewise
    assert timed.sum == 12.7  # type: ignore[attr-defined] # likewise
    assert ("test", "process_cpu_seconds_total") not in collector.samples


def test_a_cold_start_does_not_pay_for_opentelemetry() -> None:
    code = (
        "import sys, functions.runtime.__main__, functions.ner.app;"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_collector_that_is_away_costs_spans_and_no_request() -> None:
    """In a process of its own: the exporter's thread goes on trying for a while."""
    code = """
import httpx
from eventing import telemetry
from functions.runtime import http
telemetry.configure({telemetry.ENDPOINT: "http://127.0.0.1:9"}, {"service.name": "test"})
request = httpx.Request("GET", "http://next/")
with http.calling(request):
    print(request.headers["traceparent"])
telemetry.flush()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert parse(done.stdout.strip()) is not None
