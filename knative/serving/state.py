"""The state of a rollout as it stands in the Service's annotation: all that survives a kill.

Functions are stateless, so everything a later look needs is here, and it stays small: annotations
are limited to 256 KiB in all, and every watcher of the Service reads them. Histories are bounded. Pure.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from eventing.events import Payload
from knative.serving.samples import Sample, Snapshot
from knative.serving.table import TERMINAL, Phase

ANNOTATION = "rollout.marketresearch.ai/state"
_VERSION = 1
_HISTORY = 24
_OUTBOX = 12
_REFUSED = 16


class StateUnreadable(ValueError):
    """The annotation is not what we wrote; the Service is then adopted anew."""


@dataclass(frozen=True, slots=True)
class State:
    """One Service's rollout.

    template: fingerprint of the template that was handled last. weights: the percents that we
    wrote last, to notice a person's hand. since: when the phase or step began; started: when the
    rollout did (seconds since the epoch). needed: replicas that promotion waits for. golden: what
    the golden set said. previous, previous_until: who is kept warm, and until when. outbox: events
    that are due (`[type, payload, traceparent]`). trace: the traceparent of what began it.
    history: `[time, phase, weight, why]` of every traffic write. held: why the rollout waits for a
    person, `pause` or `gate`; opened: the step whose gate a person has opened. switched: stable's
    Pods were stopped to make room.
    """

    phase: Phase
    template: str
    stable: str | None = None
    candidate: str | None = None
    digest: str | None = None
    step: int = -1
    since: float = 0.0
    started: float = 0.0
    weights: Mapping[str, int] | None = None
    baseline: Snapshot | None = None
    needed: int = 0
    golden: str = ""
    reason: str = ""
    trace: str = ""
    previous: str | None = None
    previous_until: float = 0.0
    refused: tuple[str, ...] = ()
    outbox: tuple[tuple[str, Mapping[str, Any], str], ...] = ()
    history: tuple[tuple[float, str, int, str], ...] = ()
    held: str = ""
    opened: int = -1
    switched: bool = False

    @property
    def active(self) -> bool:
        """Whether a rollout runs."""
        return self.phase not in TERMINAL

    def weight(self) -> int:
        """Return the candidate's percent."""
        return (self.weights or {}).get(self.candidate or "", 0)

    def noting(self, now: float, why: str) -> "State":
        """Add a line to the history."""
        line = (round(now, 1), self.phase.value, self.weight(), why[:200])
        return replace(self, reason=why[:500], history=(*self.history, line)[-_HISTORY:])

    def announcing(self, payload: Payload) -> "State":
        """Add an event to the outbox; the oldest goes when nobody takes them."""
        due = (payload.type, asdict(payload), self.trace)
        return replace(self, outbox=(*self.outbox, due)[-_OUTBOX:])

    def refusing(self, digest: str | None) -> "State":
        """Remember that `digest` was refused."""
        if not digest or digest in self.refused:
            return self
        return replace(self, refused=(*self.refused, digest)[-_REFUSED:])

    def forgiving(self, digest: str) -> "State":
        """Forget a refusal: someone insists."""
        return replace(self, refused=tuple(item for item in self.refused if item != digest))


def dump(state: State) -> str:
    """Write the annotation; what has its default is left out."""
    out: dict[str, Any] = {"v": _VERSION}
    for field in fields(State):
        value = getattr(state, field.name)
        if value != field.default:
            out[field.name] = _snapshot_json(value) if field.name == "baseline" else value
    return json.dumps(out, separators=(",", ":"), ensure_ascii=False)


def of(service: Mapping[str, Any]) -> State | None:
    """Return the state on a Service; None when there is none that can be read."""
    text = (service["metadata"].get("annotations") or {}).get(ANNOTATION)
    try:
        return load(text) if text else None
    except StateUnreadable:
        return None


def load(text: str) -> State:
    """Read the annotation; raises StateUnreadable."""
    try:
        raw = json.loads(text)
        if raw.pop("v") != _VERSION:
            raise StateUnreadable("the state is of another version")
        raw["phase"] = Phase(raw["phase"])
        if "baseline" in raw:
            raw["baseline"] = _snapshot(raw["baseline"])
        for name in ("refused", "outbox", "history"):
            raw[name] = tuple(_tuple(item) for item in raw.get(name, ()))
        return State(**raw)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StateUnreadable(f"the state annotation cannot be read: {error}") from error


def _tuple(item: Any) -> Any:
    return tuple(item) if isinstance(item, list) else item


def _snapshot_json(snapshot: Snapshot) -> list[Any]:
    return [
        round(snapshot.at, 3),
        {
            name: [sample.requests, sample.errors, _buckets(sample)]
            for name, sample in snapshot.revisions.items()
        },
    ]


def _buckets(sample: Sample) -> dict[str, int]:
    return {repr(bound): count for bound, count in sample.latencies.items() if count}


def _snapshot(raw: Any) -> Snapshot:
    at, revisions = raw
    return Snapshot(at, {name: _sample(*row) for name, row in revisions.items()})


def _sample(requests: int, errors: int, buckets: Mapping[str, int]) -> Sample:
    return Sample(requests, errors, {float(bound): count for bound, count in buckets.items()})
