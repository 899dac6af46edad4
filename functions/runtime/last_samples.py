"""What was counted since the last scrape leaves by OTLP when the process ends.

Between two scrapes a function may wake, answer and go; Prometheus would never hear of it. So at the
end every sample is pushed once, cumulative since the process's start, with its spans before it. It
names its Pod, as a scrape does: whoever takes the greater of the two counts each request once.
"""

import logging
import time
from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from eventing import telemetry
from functions.runtime import coldstart, metrics

if TYPE_CHECKING:  # imported at the end, like all that sends
    from prometheus_client.metrics_core import Metric
    from prometheus_client.samples import Sample

log = logging.getLogger(__name__)
_INFINITY = float("inf")
_RUNTIME = ("python_", "process_")
Labels = tuple[tuple[str, str], ...]


def farewell() -> None:
    """Send spans and samples; nothing happens when telemetry is off."""
    telemetry.flush()
    active = telemetry.active()
    if active is not None:
        try:
            _push(active)
        except Exception as error:  # noqa: BLE001 - the process ends anyway
            log.warning("the last samples are lost: %s", error)


def _push(active: telemetry.Telemetry) -> None:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import (  # noqa: PLC0415 - at the end
        OTLPMetricExporter,
    )
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415 - as above
        MetricsData,
        ResourceMetrics,
        ScopeMetrics,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - as above
    from opentelemetry.sdk.util.instrumentation import InstrumentationScope  # noqa: PLC0415 - as above
    from prometheus_client import REGISTRY  # noqa: PLC0415 - as above

    metrics.serve()  # what an end so soon has left waiting
    pod = active.resource.get("faas.instance", "")
    found = [_metric(_named_by(pod, family)) for family in REGISTRY.collect() if _ours(family)]
    scope = ScopeMetrics(InstrumentationScope("functions.runtime"), found, "")
    whole = MetricsData([ResourceMetrics(Resource(active.resource), [scope], "")])
    url = f"{active.endpoint}/v1/metrics"
    exporter = OTLPMetricExporter(endpoint=url, timeout=telemetry.FLUSH_SECONDS)
    exporter.export(whole)


@cache
def _started() -> int:
    """Return when this process began, whatever it was forked from."""
    return time.time_ns() - int(coldstart.process_age() * 1e9)


def _ours(family: "Metric") -> bool:
    return bool(family.samples) and not family.name.startswith(_RUNTIME)


def _named_by(pod: str, family: "Metric") -> "Metric":
    """Return the family with the Pod's name at every sample, as after a scrape; outside, as it is."""
    if not pod:
        return family
    named = copy(family)
    named.samples = [s._replace(labels={**s.labels, "pod": pod}) for s in family.samples]
    return named


def _metric(family: "Metric") -> Any:
    from opentelemetry.sdk.metrics import export  # noqa: PLC0415 - at the end

    since_start = export.AggregationTemporality.CUMULATIVE
    if family.type == "histogram":
        points = [_histogram(labels, samples) for labels, samples in _series(family).items()]
        return _named(family.name, family, export.Histogram(points, since_start))
    if family.type == "counter":
        total = [sample for sample in family.samples if sample.name.endswith("_total")]
        sums = export.Sum([_number(sample) for sample in total], since_start, is_monotonic=True)
        return _named(f"{family.name}_total", family, sums)
    return _named(family.name, family, export.Gauge([_number(each) for each in family.samples]))


def _named(name: str, family: "Metric", data: Any) -> Any:
    from opentelemetry.sdk.metrics import export  # noqa: PLC0415 - at the end

    return export.Metric(name, family.documentation, family.unit, data)


def _number(sample: "Sample") -> Any:
    from opentelemetry.sdk.metrics.export import NumberDataPoint  # noqa: PLC0415 - at the end

    return NumberDataPoint(dict(sample.labels), _started(), time.time_ns(), sample.value)


def _series(family: "Metric") -> "dict[Labels, list[Sample]]":
    found: dict[Labels, list[Sample]] = {}
    for sample in family.samples:
        found.setdefault(_without_bound(sample.labels), []).append(sample)
    return found


def _without_bound(labels: Mapping[str, str]) -> Labels:
    return tuple(sorted((name, value) for name, value in labels.items() if name != "le"))


def _histogram(labels: Labels, samples: "Iterable[Sample]") -> Any:
    from opentelemetry.sdk.metrics.export import HistogramDataPoint  # noqa: PLC0415 - at the end

    by_bound = sorted((float(s.labels["le"]), int(s.value)) for s in samples if "le" in s.labels)
    counts = [count for _, count in by_bound]
    total = next((s.value for s in samples if s.name.endswith("_sum")), 0.0)
    return HistogramDataPoint(
        attributes=dict(labels),
        start_time_unix_nano=_started(),
        time_unix_nano=time.time_ns(),
        count=counts[-1],
        sum=total,
        bucket_counts=[after - before for before, after in zip([0, *counts], counts, strict=False)],
        explicit_bounds=[bound for bound, _ in by_bound if bound != _INFINITY],
        min=None,  # type: ignore[arg-type] # Prometheus keeps none, and OTLP lets it be absent
        max=None,  # type: ignore[arg-type] # likewise
    )
