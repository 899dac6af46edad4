"""What the forecast remembers, in one ConfigMap: small, durable, and written by one tick at a time.

On the Knative Service itself it would wake everybody who watches Services, every minute. An entry
that cannot be read is forgotten with one log line: the forecast then begins anew.
"""

import json
import logging
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from functions.runtime.metrics import counter
from knative.serving import errors
from knative.serving.client import KubeClient, Resource
from knative.serving.objects import Object
from warmup.arrivals import Arrivals
from warmup.forecast import History, Purse

NAME = "warmer-history"
CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
_LOG = logging.getLogger(__name__)
_FORGOTTEN = counter("forecast_histories_forgotten_total", "Histories that could not be read", ())


@dataclass(frozen=True, slots=True)
class Entry:
    """One Service: its history, its requests as last counted (None: never), last tick's decision."""

    history: History = field(default_factory=History)
    requests: int | None = None
    awake: bool = False


def load(service: str, text: str | None) -> Entry:
    """Read one entry; an empty one when there is none or it is not ours."""
    if text is None:
        return Entry()
    try:
        value = json.loads(text)
        return Entry(_history(value["history"]), int(value["requests"]), bool(value["awake"]))
    except (ValueError, TypeError, KeyError) as error:
        _FORGOTTEN.labels().inc()
        _LOG.warning("the history of %s cannot be read and begins anew: %r", service, error)
        return Entry()


def dump(entry: Entry) -> str:
    """Write one entry; four figures are more than a forecast is worth."""
    history = {
        part: {name: _rounded(name, value) for name, value in known.items()}
        for part, known in asdict(entry.history).items()
    }
    value = {"history": history, "requests": entry.requests, "awake": entry.awake}
    return json.dumps(value, separators=(",", ":"))


async def read(kube: KubeClient) -> Object:
    """Return the ConfigMap; made when it is missing."""
    try:
        return await kube.get(CONFIG_MAPS, NAME)
    except errors.NotFound:
        meta = {"name": NAME, "namespace": kube.namespace}
        new = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {}}
        return await kube.create(CONFIG_MAPS, new)


async def write(kube: KubeClient, found: Object, entries: Mapping[str, Entry]) -> None:
    """Replace all entries; raises Conflict when another tick was quicker."""
    data = {service: dump(entry) for service, entry in entries.items()}
    await kube.update(CONFIG_MAPS, {**found, "data": data})


def _history(value: Mapping[str, Any]) -> History:
    return History(
        Arrivals(**_read(Arrivals(), value["arrivals"])), Purse(**_read(Purse(), value["purse"]))
    )


def _read(empty: Arrivals | Purse, value: Mapping[str, Any]) -> dict[str, Any]:
    read = dict[str, Any]()
    for name in (one.name for one in fields(empty)):
        default = getattr(empty, name)
        found = tuple(map(float, value[name] if isinstance(default, tuple) else [value[name]]))
        if isinstance(default, tuple) and len(found) != len(default):
            raise ValueError(f"{name} has another length")
        if not all(map(math.isfinite, found)) or (name == "promised" and min(found) <= 0):
            raise ValueError(f"{name} is not what was written")
        read[name] = found if isinstance(default, tuple) else found[0]
    return read


def _rounded(name: str, value: Any) -> Any:
    if isinstance(value, tuple):
        return [_short(one) for one in value]
    return value if name in ("at", "last") else float(f"{value:.6g}")


def _short(value: float) -> float:
    """Write whole numbers without their `.0`: most cells hold none or one."""
    short = float(f"{value:.4g}")
    return int(short) if short.is_integer() else short
