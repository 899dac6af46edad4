"""The warmer's tick: who has a budget is counted, remembered and kept awake; nobody else is."""

import json
from collections.abc import AsyncIterator

import httpx
import pytest

from functions.warmer.foresee import BUDGET, Foresight, tick
from functions.warmer.history import Entry, dump, load
from functions.warmer.plan import awake
from functions.warmer.settings import Settings
from knative.serving.client import KubeClient
from knative.serving.kubeconfig import Cluster
from warmup.arrivals import MINUTES, TICK, Arrivals
from warmup.forecast import History, Purse, learn

SETTINGS = Settings("ns", {"inference": ("ner",)}, 0.4, "http://metrics/metrics")
NOW = 1_700_000_000.0 // TICK * TICK


class World:
    """An API server with Services and one ConfigMap, request metrics, and functions that answer."""

    def __init__(self) -> None:
        self.budgets: dict[str, str] = {"ner": "3600"}
        self.requests = 0
        self.config: dict[str, object] | None = None
        self.called: list[str] = []

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if request.url.host == "metrics":
            labels = 'namespace_name="ns",revision_name="ner-00001",response_code_class="2xx"'
            return httpx.Response(
                200, text=f"revision_app_request_count{{{labels}}} {self.requests}"
            )
        if request.url.host != "kube":
            self.called.append(f"{request.url.host}{path}")
            self.requests += 1
            return httpx.Response(200)
        return self._kube(request, path)

    def _kube(self, request: httpx.Request, path: str) -> httpx.Response:
        if path.endswith("/services"):
            items = [
                {"metadata": {"name": name, "annotations": {BUDGET: budget}}}
                for name, budget in self.budgets.items()
            ]
            return httpx.Response(200, json={"items": [*items, {"metadata": {"name": "plain"}}]})
        if request.method in ("PUT", "POST"):
            self.config = json.loads(request.content)
        if self.config is None:
            status = {"kind": "Status", "status": "Failure", "reason": "NotFound", "code": 404}
            return httpx.Response(404, json=status)
        return httpx.Response(200, json=self.config)

    def entry(self) -> Entry:
        assert self.config is not None
        return load("ner", self.config["data"]["ner"])  # type: ignore[index] # JSON of our own


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def own(world: World) -> AsyncIterator[Foresight]:
    transport = httpx.MockTransport(world.answer)
    kube = KubeClient(Cluster("http://kube", "ns"), transport)
    async with httpx.AsyncClient(transport=transport) as http:
        yield Foresight(kube, http, SETTINGS)
    await kube.close()


async def test_an_arrival_is_remembered_and_keeps_the_function_awake(
    world: World, own: Foresight
) -> None:
    assert await tick(own, NOW) == []
    world.requests += 3
    assert await tick(own, NOW + TICK) == ["ner"]
    assert "ner.ns.svc.cluster.local/v1/entities" in world.called
    assert world.entry().history.arrivals.last == NOW + TICK


async def test_the_warmers_own_calls_are_no_arrivals(world: World, own: Foresight) -> None:
    await tick(own, NOW)
    world.requests += 1
    for minute in range(1, 5):
        await tick(own, NOW + minute * TICK)
    assert len(world.called) == 8
    assert world.entry().history.arrivals.last == NOW + TICK
    assert world.entry().history.purse.account < 0


@pytest.mark.parametrize("budget", ["0", "-3", "plenty"])
async def test_without_a_budget_nothing_is_called_and_nothing_is_kept(
    world: World, own: Foresight, budget: str
) -> None:
    world.budgets["ner"] = budget
    world.requests = 5
    assert await tick(own, NOW) == []
    assert world.config is None
    assert world.called == []


async def test_counters_that_began_anew_are_no_reason_to_forget_an_arrival(
    world: World, own: Foresight
) -> None:
    world.requests = 50
    await tick(own, NOW)
    world.requests = 2
    assert await tick(own, NOW + TICK) == ["ner"]


def test_a_history_comes_back_as_it_was_to_four_figures() -> None:
    known = learn(History(), NOW, arrived=True, idle=17.123456, budget=3600)
    again = load("ner", dump(Entry(known, 7, awake=True)))
    assert (again.requests, again.awake) == (7, True)
    assert again.history.arrivals.at == NOW
    assert again.history.purse.costs == pytest.approx(known.purse.costs, rel=1e-3)


WRITTEN = dump(Entry(History(), 1, awake=True))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        "[]",
        '{"history": {}, "requests": 1, "awake": true}',
        WRITTEN.replace('"recent":0.0', '"recent":NaN'),
        WRITTEN.replace('"promised":[0.5', '"promised":[0'),
        WRITTEN.replace('"credit":[', '"credit":[7,'),
    ],
)
def test_a_history_that_cannot_be_read_begins_anew(text: str) -> None:
    assert load("ner", text) == Entry()


def test_a_history_is_ten_kilobytes_or_little_more() -> None:
    full = Arrivals(
        busy=(1 / 3,) * 168,
        ticks=(17 / 3,) * 168,
        seen=(1234.5678,) * 77,
        expected=(0.00123456,) * 77,
        clock=(1 / 3,) * MINUTES,
    )
    text = dump(Entry(History(full, Purse(costs=(12345.678,) * 136)), 10**9, awake=True))
    assert len(text) < 16_384
    assert load("ner", text).history.arrivals.busy == pytest.approx(full.busy, rel=1e-3)


def test_a_chain_is_kept_awake_together_and_each_is_called_once() -> None:
    names = [call.service for call in awake(["inference", "ner"], SETTINGS)]
    assert names == ["inference", "ner"]
