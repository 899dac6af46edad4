"""Samples of requests: series of counters → a Revision's counters → windows between two looks.

Read are Knative's own request metrics in both their generations (a request that waited for a cold
start is in no histogram): `revision_app_request_count` and `revision_app_request_latencies`
(milliseconds), and since OpenTelemetry `kn.serving.invocation.duration` (seconds), which counts and
times at once. Numbers that are none, and old ones, are refused: no samples are better than wrong
ones. A counter that went down was reset, and then what it shows now is the whole window. Pure.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_LINE = re.compile(
    r"^(?P<name>[a-zA-Z_:][\w:]*)\{(?P<labels>.*)\}\s+(?P<value>\S+)(?:\s+(?P<ms>-?\d+))?$"
)
_FAILED = "5"
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
STALE_SECONDS = 90.0
"""Older samples than this say nothing of now; scrapes are seldom more than 60 s apart."""


class SamplesInvalid(ValueError):
    """The numbers cannot be used; the message says why."""


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation of Knative's request metrics; `scale` makes milliseconds of its bounds."""

    count: str
    bucket: str
    namespace: str
    revision: str
    code: str
    scale: float


GENERATIONS = (
    Generation(
        count="revision_app_request_count",
        bucket="revision_app_request_latencies_bucket",
        namespace="namespace_name",
        revision="revision_name",
        code="response_code_class",
        scale=1.0,
    ),
    Generation(
        count="kn_serving_invocation_duration_seconds_count",
        bucket="kn_serving_invocation_duration_seconds_bucket",
        namespace="k8s_namespace_name",
        revision="kn_revision_name",
        code="http_response_status_code",
        scale=1000.0,
    ),
)
_BY_NAME = {name: each for each in GENERATIONS for name in (each.count, each.bucket)}


@dataclass(frozen=True, slots=True)
class Series:
    """One number, and when it was taken (seconds since the epoch) where the source says so."""

    name: str
    labels: Mapping[str, str]
    value: float
    at: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """Requests of one Revision: how many, how many failed (5xx), and how long they took.

    `latencies` maps a bucket's upper bound (ms) to the requests within it and no smaller one.
    """

    requests: int = 0
    errors: int = 0
    latencies: Mapping[float, int] = field(default_factory=dict)

    @property
    def error_rate(self) -> float:
        """Share of requests that failed."""
        return self.errors / self.requests if self.requests else 0.0

    @property
    def timed(self) -> int:
        """Requests with a latency: those that no cold start delayed."""
        return sum(self.latencies.values())

    def above(self, bound: float) -> int:
        """Return how many took longer than `bound`, which should be a bucket's upper bound."""
        return sum(count for le, count in self.latencies.items() if le > bound)

    def quantile(self, share: float) -> float | None:
        """Return the upper bound of the bucket that holds the quantile; None without samples."""
        wanted, seen = share * self.timed, 0
        for le in sorted(self.latencies):
            seen += self.latencies[le]
            if seen >= wanted and self.latencies[le]:
                return le
        return None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Cumulative counters of Revisions at one moment (`at`: seconds since the epoch)."""

    at: float
    revisions: Mapping[str, Sample]

    def of(self, revision: str) -> Sample:
        """Return the counters of `revision`; a Revision that was never called has zeros."""
        return self.revisions.get(revision, Sample())

    def only(self, names: Iterable[str | None]) -> "Snapshot":
        """Keep the named Revisions: what is stored stays small."""
        kept = {name: self.revisions[name] for name in names if name and name in self.revisions}
        return Snapshot(self.at, kept)


def parse(text: str, namespace: str, at: float) -> Snapshot:
    """Read an exposition; raises SamplesInvalid when it is not one of these metrics at all."""
    if not any(name in text for name in _BY_NAME):
        raise SamplesInvalid("the source is empty: it has none of Knative's request metrics")
    return fold(_series(text), namespace, at)


def fold(series: Iterable[Series], namespace: str, at: float) -> Snapshot:
    """Add up a namespace's series; others are passed over. Raises SamplesInvalid."""
    totals = _Totals()
    for each in series:
        kind = _BY_NAME.get(each.name)
        if kind and each.labels.get(kind.namespace) == namespace:
            _check(each, at)
            totals.add(each, kind)
    return Snapshot(at, totals.samples())


class _Totals:
    """Sums by Revision; the histograms of the two generations have bounds of their own."""

    def __init__(self) -> None:
        self._counts: dict[str, list[int]] = {}
        self._cumulative: dict[tuple[str, str], dict[float, float]] = {}

    def add(self, series: Series, kind: Generation) -> None:
        """Take one series."""
        revision = series.labels.get(kind.revision, "")
        row = self._counts.setdefault(revision, [0, 0])
        if series.name == kind.count:
            failed = series.labels.get(kind.code, "").startswith(_FAILED)
            row[0] += int(series.value)
            row[1] += int(series.value) if failed else 0
        else:
            buckets = self._cumulative.setdefault((revision, kind.bucket), {})
            bound = round(float(series.labels["le"]) * kind.scale, 6)
            buckets[bound] = buckets.get(bound, 0.0) + series.value

    def samples(self) -> dict[str, Sample]:
        """Return what was added up."""
        latencies: dict[str, dict[float, int]] = {name: {} for name in self._counts}
        for (revision, _), bounds in self._cumulative.items():
            found = latencies[revision]
            for bound, count in _steps(bounds):
                found[bound] = found.get(bound, 0) + count
        return {
            name: Sample(requests, errors, latencies[name])
            for name, (requests, errors) in self._counts.items()
        }


def _check(series: Series, at: float) -> None:
    if not math.isfinite(series.value) or series.value < 0:
        raise SamplesInvalid(f"{series.name} is {series.value}")
    if series.at is not None and at - series.at > STALE_SECONDS:
        raise SamplesInvalid(f"{series.name} is {at - series.at:.0f} s old")


def window(before: Snapshot, after: Snapshot, revision: str) -> Sample:
    """Return the requests of `revision` between two looks."""
    old, new = before.of(revision), after.of(revision)
    if new.requests < old.requests or new.errors < old.errors or new.timed < old.timed:
        return new
    latencies = {
        bound: max(0, count - old.latencies.get(bound, 0)) for bound, count in new.latencies.items()
    }
    return Sample(new.requests - old.requests, new.errors - old.errors, latencies)


def _steps(cumulative: Mapping[float, float]) -> Iterator[tuple[float, int]]:
    below = 0
    for bound in sorted(cumulative):
        here = max(0, int(cumulative[bound]) - below)
        yield bound, here
        below += here


def _series(text: str) -> Iterator[Series]:
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match:
            labels = dict(_LABEL.findall(match["labels"]))
            at = int(match["ms"]) / 1000 if match["ms"] else None
            yield Series(match["name"], labels, float(match["value"]), at)
