"""Sources of samples: whoever counts requests, behind one question.

A source that is down, empty, stale, partial or says NaN raises: the verdict is then Inconclusive,
never Successful. Which source there is says the environment: a Prometheus server, or the text of
Knative's request metrics at one address.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx

from functions.rollout.settings import Settings
from knative.serving.samples import (
    GENERATIONS,
    STALE_SECONDS,
    Generation,
    SamplesInvalid,
    Series,
    Snapshot,
    fold,
    parse,
)

Clock = Callable[[], float]
_KEPT = "6h"
"""How long a Pod's last counters count after it is gone; no rollout takes longer."""


class SourceUnavailable(Exception):
    """There are no samples to be had now; the message says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whose requests; `awake` says that some Pod of theirs runs, so that numbers must be fresh."""

    namespace: str
    revisions: Sequence[str]
    awake: bool


class Source(Protocol):
    """Something that knows the counters of Revisions."""

    async def read(self, wanted: Wanted) -> Snapshot:
        """Return them as they are now; raises SourceUnavailable."""


def choose(http: httpx.AsyncClient, settings: Settings, clock: Clock) -> Source:
    """Return the source that the environment names; Prometheus comes first."""
    if settings.prometheus_url:
        return Prometheus(http, settings.prometheus_url.rstrip("/"), clock)
    return Scrape(http, settings.request_metrics_url, clock)


class Scrape:
    """Knative's request metrics as text, all Revisions at one address."""

    def __init__(self, http: httpx.AsyncClient, url: str, clock: Clock) -> None:
        self._http, self._url, self._clock = http, url, clock

    async def read(self, wanted: Wanted) -> Snapshot:
        """Scrape it."""
        if not self._url:
            raise SourceUnavailable("neither PROMETHEUS_URL nor REQUEST_METRICS_URL is set")
        try:
            response = await self._http.get(self._url)
            response.raise_for_status()
            return parse(response.text, wanted.namespace, self._clock())
        except (httpx.HTTPError, ValueError, KeyError) as error:
            raise SourceUnavailable(repr(error)) from error


class Prometheus:
    """The HTTP API of Prometheus, or of anything that speaks it."""

    def __init__(self, http: httpx.AsyncClient, url: str, clock: Clock) -> None:
        self._http, self._url, self._clock = http, url, clock

    async def read(self, wanted: Wanted) -> Snapshot:
        """Ask for the counters, and how old they are."""
        try:
            found = await self._query(counters(wanted))
            if not found:
                raise SourceUnavailable(f"Prometheus has no samples of {wanted.revisions}")
            if wanted.awake:
                self._fresh(await self._query(newest(wanted)))
            return fold((_series(row) for row in found), wanted.namespace, self._clock())
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            raise SourceUnavailable(f"Prometheus: {error!r}") from error

    async def _query(self, query: str) -> list[Mapping[str, Any]]:
        response = await self._http.post(f"{self._url}/api/v1/query", data={"query": query})
        response.raise_for_status()
        answer = response.json()
        if answer["status"] != "success" or answer.get("warnings"):
            raise SamplesInvalid(f"{answer['status']}: {answer.get('warnings')}")
        rows: list[Mapping[str, Any]] = answer["data"]["result"]
        return rows

    def _fresh(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Compare with the server's own clock, so that ours does not matter."""
        ages = [float(now) - float(taken) for now, taken in (row["value"] for row in rows)]
        if not ages or not min(ages) <= STALE_SECONDS:
            raise SamplesInvalid(f"the newest sample is stale: {ages or 'older than 5 min'}")


def counters(wanted: Wanted) -> str:
    """Return the query for the counters, summed over Pods, those that are gone included."""
    labels = {name for each in GENERATIONS for name in (each.namespace, each.revision, each.code)}
    by = ", ".join(["__name__", "le", *sorted(labels)])
    both = " or ".join(
        f"last_over_time({_selector(each, (each.count, each.bucket), wanted)}[{_KEPT}])"
        for each in GENERATIONS
    )
    return f"sum by ({by}) ({both})"


def newest(wanted: Wanted) -> str:
    """Return the query for the time of the newest sample."""
    both = " or ".join(
        f"timestamp({_selector(each, (each.count,), wanted)})" for each in GENERATIONS
    )
    return f"max({both})"


def _selector(kind: Generation, names: Sequence[str], wanted: Wanted) -> str:
    revisions = "|".join(wanted.revisions)
    return (
        f'{{__name__=~"{"|".join(names)}", {kind.namespace}="{wanted.namespace}", '
        f'{kind.revision}=~"{revisions}"}}'
    )


def _series(row: Mapping[str, Any]) -> Series:
    labels = dict(row["metric"])
    return Series(labels.pop("__name__"), labels, float(row["value"][1]))
