"""The events of this system: every type and payload is named here and nowhere else.

A payload is a frozen dataclass; `eventing.cloudevent` puts it into a CloudEvents 1.0 envelope.
Each payload knows its own `type`, so a handler and a Trigger cannot disagree about the spelling.
"""

from dataclasses import dataclass
from typing import ClassVar

OBJECT_CREATED_PREFIX = "com.amazonaws.s3.ObjectCreated"
OBJECT_REMOVED_PREFIX = "com.amazonaws.s3.ObjectRemoved"
PING = "dev.knative.sources.ping"
SERVICE_CHANGED_PREFIX = "dev.knative.apiserver.ref."


@dataclass(frozen=True, slots=True)
class ModelSynced:
    """A release is verified and complete in the model cache.

    `uri` is where it came from (`s3://bucket/models/name-v1.1.0`), `digest` is `sha256:<hex>` over
    its file list, `service` the Knative Service that serves it, "" for a release that is rolled out
    nowhere. `requested` is true when a person named this version, so that an older one may roll out
    too.
    """

    type: ClassVar[str] = "ai.marketresearch.model.synced.v1"
    name: str
    version: str
    digest: str
    uri: str
    service: str
    requested: bool = False


@dataclass(frozen=True, slots=True)
class ModelRejected:
    """A release was refused; the cache is as it was. `reason` is one sentence for a person."""

    type: ClassVar[str] = "ai.marketresearch.model.rejected.v1"
    uri: str
    reason: str
    code: str


@dataclass(frozen=True, slots=True)
class RolloutStarted:
    """A candidate Revision exists at 0 %, reachable at its tag address `candidate_url`."""

    type: ClassVar[str] = "ai.marketresearch.rollout.started.v1"
    service: str
    candidate: str
    stable: str | None
    digest: str | None
    candidate_url: str


@dataclass(frozen=True, slots=True)
class RolloutProgressed:
    """The rollout moved: `phase` is the phase reached, `weight` the candidate's percent."""

    type: ClassVar[str] = "ai.marketresearch.rollout.progressed.v1"
    service: str
    candidate: str
    phase: str
    weight: int
    evidence: str


@dataclass(frozen=True, slots=True)
class RolloutPromoted:
    """The candidate serves everything; `previous` stays tagged and warm for its window."""

    type: ClassVar[str] = "ai.marketresearch.rollout.promoted.v1"
    service: str
    candidate: str
    previous: str | None
    digest: str | None
    evidence: str


@dataclass(frozen=True, slots=True)
class RolloutRolledBack:
    """The candidate was refused and serves nothing; `stable` serves everything."""

    type: ClassVar[str] = "ai.marketresearch.rollout.rolledback.v1"
    service: str
    candidate: str
    stable: str
    digest: str | None
    evidence: str


@dataclass(frozen=True, slots=True)
class RolloutSuperseded:
    """A person, or a newer change, took over; the rollout let go of the traffic."""

    type: ClassVar[str] = "ai.marketresearch.rollout.superseded.v1"
    service: str
    candidate: str
    evidence: str


@dataclass(frozen=True, slots=True)
class IndexRebuildRequested:
    """Someone asks for a rebuild of the embedding index; `reason` says who and why."""

    type: ClassVar[str] = "ai.marketresearch.index.rebuild-requested.v1"
    reason: str


@dataclass(frozen=True, slots=True)
class IndexRebuilt:
    """A new index generation is current. Counts are of chunks, `seconds` of wall time."""

    type: ClassVar[str] = "ai.marketresearch.index.rebuilt.v1"
    generation: str
    embedder: str
    documents: int
    chunks: int
    embedded: int
    seconds: float


Payload = (
    ModelSynced
    | ModelRejected
    | RolloutStarted
    | RolloutProgressed
    | RolloutPromoted
    | RolloutRolledBack
    | RolloutSuperseded
    | IndexRebuildRequested
    | IndexRebuilt
)
PAYLOADS: dict[str, type[Payload]] = {
    payload.type: payload
    for payload in (
        ModelSynced,
        ModelRejected,
        RolloutStarted,
        RolloutProgressed,
        RolloutPromoted,
        RolloutRolledBack,
        RolloutSuperseded,
        IndexRebuildRequested,
        IndexRebuilt,
    )
}
