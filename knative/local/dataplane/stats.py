"""Envoy's counters → the autoscaler's samples, and the request metrics in Knative's names. Pure.

The rule: every answer counts once, with the status that the caller saw. So the counts come from the
gateway's own clusters, `rev` (straight) and `act` (by way of the activator); the latencies come
from `rev` and `limit`, where no time of waiting for a start is in them.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from knative.local.dataplane.clusters import Key

QUERY = "/stats/prometheus?usedonly&filter=^cluster\\.(rev|act|limit)/"
_LINE = re.compile(r"envoy_cluster_upstream_(rq\w*)\{(.*)\} (\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
_SEEN_BY_CALLERS = ("rev", "act")


@dataclass(slots=True)
class Reading:
    """The counters of one Revision since Envoy started."""

    active: float = 0.0
    busy_ms: float = 0.0
    codes: Counter[str] = field(default_factory=Counter)
    latency_buckets: Counter[str] = field(default_factory=Counter)  # by upper bound, cumulative
    latency_ms: float = 0.0
    latency_count: float = 0.0

    @property
    def count(self) -> int:
        """Return how many requests were answered."""
        return self.codes.total()


def parse(text: str) -> dict[Key, Reading]:
    """Read Envoy's Prometheus text."""
    found: dict[Key, Reading] = {}
    for line in text.splitlines():
        if match := _LINE.match(line):
            labels = dict(_LABEL.findall(match[2]))
            path, namespace, name = labels["envoy_cluster_name"].split("/")
            reading = found.setdefault((namespace, name), Reading())
            _add(reading, path, match[1], labels, float(match[3]))
    return found


def _add(reading: Reading, path: str, what: str, labels: Mapping[str, str], value: float) -> None:
    if path in _SEEN_BY_CALLERS:
        if what == "rq":
            reading.codes[labels["envoy_response_code"]] += int(value)
        elif what == "rq_active":
            reading.active += value
        elif what == "rq_time_sum":
            reading.busy_ms += value
    if path != "act":
        _add_latency(reading, what, labels, value)


def _add_latency(reading: Reading, what: str, labels: Mapping[str, str], value: float) -> None:
    if what == "rq_time_bucket":
        reading.latency_buckets[labels["le"]] += int(value)
    elif what == "rq_time_sum":
        reading.latency_ms += value
    elif what == "rq_time_count":
        reading.latency_count += value


def concurrency(before: Reading, after: Reading, elapsed: float) -> float:
    """Estimate the average number of requests at work over `elapsed` seconds.

    Short requests are seen in the time that finished ones took (Little's law), long ones in the
    number at work now. One request cannot have been more than one at work the whole time.
    """
    finished = max(0, after.count - before.count)
    busy = max(0.0, after.busy_ms - before.busy_ms) / 1000 / elapsed
    return max(after.active, min(busy, float(finished)))


def rate(before: Reading, after: Reading, elapsed: float) -> float:
    """Return the requests answered a second."""
    return max(0, after.count - before.count) / elapsed


def metrics(readings: Mapping[Key, Reading], labels: Mapping[Key, Mapping[str, str]]) -> str:
    """Write the request metrics; `labels` names the Service and Configuration of each Revision."""
    lines = ["# TYPE revision_app_request_count counter"]
    for key, reading in sorted(readings.items()):
        lines += _counts(reading, _names(key, labels.get(key, {})))
    lines.append("# TYPE revision_app_request_latencies histogram")
    for key, reading in sorted(readings.items()):
        lines += _latencies(reading, _names(key, labels.get(key, {})))
    return "\n".join([*lines, ""])


def _names(key: Key, labels: Mapping[str, str]) -> dict[str, str]:
    return {
        "namespace_name": key[0],
        "service_name": labels.get("serving.knative.dev/service", ""),
        "configuration_name": labels.get("serving.knative.dev/configuration", ""),
        "revision_name": key[1],
    }


def _counts(reading: Reading, names: Mapping[str, str]) -> Iterator[str]:
    for code, count in sorted(reading.codes.items()):
        more = {"response_code": code, "response_code_class": f"{code[0]}xx"}
        yield f"revision_app_request_count{_braces({**names, **more}.items())} {count}"


def _latencies(reading: Reading, names: Mapping[str, str]) -> Iterator[str]:
    series = "revision_app_request_latencies"
    for bound, count in reading.latency_buckets.items():
        yield f"{series}_bucket{_braces([*names.items(), ('le', bound)])} {count}"
    if reading.latency_count:
        yield f"{series}_sum{_braces(names.items())} {reading.latency_ms:.6f}"
        yield f"{series}_count{_braces(names.items())} {reading.latency_count:.0f}"


def _braces(labels: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels) + "}"
