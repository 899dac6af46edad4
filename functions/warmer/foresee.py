"""A tick of the forecast: count who came, learn, and keep those awake whom the budget pays for.

A Service takes part once it is annotated with a budget of idle seconds a day. Its arrivals are the
difference of the platform's request counters, less the calls that the warmer itself made.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

from functions.runtime.metrics import gauge
from functions.warmer import history
from functions.warmer.history import Entry
from functions.warmer.plan import Call, awake
from functions.warmer.settings import Settings
from functions.warmer.wake import wake
from knative.serving import errors, samples
from knative.serving.client import SERVICES, KubeClient
from knative.serving.objects import Object
from warmup import forecast
from warmup.arrivals import TICK, chance

BUDGET = "warmer.marketresearch.ai/idle-seconds-a-day"
_LOG = logging.getLogger(__name__)
_SCORE = gauge("forecast_score", "Chance that being awake spares somebody the wait", ("target",))


@dataclass(frozen=True, slots=True)
class Foresight:
    """What a tick works with."""

    kube: KubeClient
    http: httpx.AsyncClient
    settings: Settings


async def tick(own: Foresight, now: float) -> list[str]:
    """Do one tick; return the Services that were kept awake."""
    budgets = dict(_budgets(await own.kube.list(SERVICES)))
    if not budgets:
        return []
    counted = await _requests(own, now)
    found = await history.read(own.kube)
    data = found.get("data") or {}
    entries = {
        name: _step(history.load(name, data.get(name)), counted.get(name, 0), budget, now)
        for name, budget in budgets.items()
    }
    kept = [name for name, entry in entries.items() if entry.awake]
    for name, entry in entries.items():
        _SCORE.labels(target=name).set(chance(entry.history.arrivals, now))
    calls = await _keep(own, awake(kept, own.settings))
    after = {name: _own_calls(entry, calls[name]) for name, entry in entries.items()}
    try:
        await history.write(own.kube, found, after)
    except errors.Conflict:
        _LOG.info("another tick was quicker; this one is forgotten")
    return kept


def _budgets(services: Iterable[Object]) -> Iterable[tuple[str, float]]:
    for service in services:
        name, notes = service["metadata"]["name"], service["metadata"].get("annotations") or {}
        try:
            budget = float(notes.get(BUDGET, 0))
        except ValueError:
            _LOG.warning("%s: %s is no number: %r", name, BUDGET, notes[BUDGET])
            continue
        if budget > 0:
            yield name, budget


async def _requests(own: Foresight, now: float) -> Mapping[str, int]:
    """Return how many requests each Service has had; its Revisions are named after it."""
    response = await own.http.get(own.settings.request_metrics_url)
    response.raise_for_status()
    snapshot = samples.parse(response.text, own.settings.namespace, now)
    total = Counter[str]()
    for revision, sample in snapshot.revisions.items():
        total[revision.rpartition("-")[0]] += sample.requests
    return total


def _step(entry: Entry, requests: int, budget: float, now: float) -> Entry:
    """Learn the minute that ended, decide the next. The first count only begins."""
    known = entry.history
    if entry.requests is not None:
        grown = requests - entry.requests
        arrived = grown > 0 or (grown < 0 < requests)  # a counter that went down began anew
        idle = TICK if entry.awake and not arrived else 0.0
        known = forecast.learn(known, now, arrived=arrived, idle=idle, budget=budget)
    return Entry(known, requests, forecast.decide(known, now, budget).awake)


async def _keep(own: Foresight, calls: Iterable[Call]) -> Counter[str]:
    """Wake all at once; return how many calls each got."""
    made = Counter[str]()

    async def count(request: httpx.Request) -> None:
        made[urlsplit(str(request.url)).hostname.split(".")[0]] += 1  # type: ignore[union-attr] # a request has a host

    own.http.event_hooks["request"].append(count)
    try:
        async with asyncio.timeout(own.settings.seconds):
            await asyncio.gather(*(wake(own.http, call) for call in calls))
    except TimeoutError:
        _LOG.warning("not everybody is awake yet; the next tick tries again")
    finally:
        own.http.event_hooks["request"].remove(count)
    return made


def _own_calls(entry: Entry, calls: int) -> Entry:
    return Entry(entry.history, (entry.requests or 0) + calls, entry.awake)
