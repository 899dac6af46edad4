"""Samples of requests: Prometheus text → cumulative counters a Revision → windows between two looks.

Read are Knative's own request metrics: `revision_app_request_count` and the histogram
`revision_app_request_latencies` (milliseconds; a request that waited for a cold start is not in the
histogram). A counter that went down was reset, and then what it shows now is the whole window. Pure.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_COUNT = "revision_app_request_count"
_BUCKET = "revision_app_request_latencies_bucket"
_LINE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)\{(?P<labels>.*)\}\s+(?P<value>\S+)(?:\s+-?\d+)?$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ERROR_CLASS = "5xx"


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
    """Read an exposition; lines that are not these metrics of this namespace are passed over."""
    counts: dict[str, list[int]] = {}
    cumulative: dict[str, dict[float, float]] = {}
    for name, labels, value in _series(text):
        if labels.get("namespace_name") != namespace or not math.isfinite(value):
            continue
        revision = labels.get("revision_name", "")
        if name == _COUNT:
            row = counts.setdefault(revision, [0, 0])
            row[0] += int(value)
            row[1] += int(value) if labels.get("response_code_class") == _ERROR_CLASS else 0
        elif name == _BUCKET:
            buckets = cumulative.setdefault(revision, {})
            bound = float(labels["le"])
            buckets[bound] = buckets.get(bound, 0.0) + value
    names = counts.keys() | cumulative.keys()
    return Snapshot(at, {name: _sample(counts.get(name), cumulative.get(name)) for name in names})


def window(before: Snapshot, after: Snapshot, revision: str) -> Sample:
    """Return the requests of `revision` between two looks."""
    old, new = before.of(revision), after.of(revision)
    if new.requests < old.requests or new.errors < old.errors or new.timed < old.timed:
        return new
    latencies = {
        bound: max(0, count - old.latencies.get(bound, 0)) for bound, count in new.latencies.items()
    }
    return Sample(new.requests - old.requests, new.errors - old.errors, latencies)


def _sample(counts: list[int] | None, cumulative: Mapping[float, float] | None) -> Sample:
    requests, errors = counts or (0, 0)
    return Sample(requests, errors, dict(_steps(cumulative or {})))


def _steps(cumulative: Mapping[float, float]) -> Iterator[tuple[float, int]]:
    below = 0
    for bound in sorted(cumulative):
        here = max(0, int(cumulative[bound]) - below)
        yield bound, here
        below += here


def _series(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        match = _LINE.match(line.strip())
        if match:
            labels = dict(_LABEL.findall(match["labels"]))
            yield match["name"], labels, float(match["value"])
