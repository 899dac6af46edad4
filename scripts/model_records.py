"""What is known of every published version, put together from the bucket and the Services. Pure.

There is no database of models: the bucket says what exists, the Services say what runs.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.registry.manifest import Manifest
from knative.serving.objects import model_of
from knative.serving.state import State, of
from knative.serving.table import Phase

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Serving:
    """What one Service does with models: percents and tags by digest, and its rollout."""

    service: str
    template: str
    percents: Mapping[str, int]
    previous: str
    state: State | None

    def settled_on(self, digest: str) -> bool:
        """Whether all traffic goes to this digest and no rollout is under way."""
        whole = 100
        return self.percents.get(digest) == whole and not (self.state and self.state.active)

    def ended_without(self, digest: str) -> str:
        """Say why this digest will not come to serve; nothing while it still may."""
        if self.state is None or self.state.active:
            return ""
        if digest in self.state.refused:
            return f"refused: {self.state.reason}"
        over = {Phase.FAILED, Phase.SUPERSEDED}
        if self.template == digest and self.state.digest == digest and self.state.phase in over:
            return f"{self.state.phase}: {self.state.reason}"
        return ""


@dataclass(frozen=True, slots=True)
class Record:
    """One line of `models list`."""

    name: str
    version: str
    digest: str
    service: str
    size: int
    golden_f1: float | None
    serving: int
    previous: bool


def serving(service: Object, revisions: Iterable[Object]) -> Serving:
    """Read a Service with its Revisions."""
    digests = {item["metadata"]["name"]: model_of(item)[1] for item in revisions}
    percents: dict[str, int] = {}
    previous = ""
    for traffic in service.get("status", {}).get("traffic") or []:
        digest = digests.get(traffic.get("revisionName", ""), "")
        percents[digest] = percents.get(digest, 0) + int(traffic.get("percent") or 0)
        previous = digest if traffic.get("tag") == "previous" else previous
    return Serving(
        service=service["metadata"]["name"],
        template=model_of(service["spec"]["template"])[1],
        percents=percents,
        previous=previous,
        state=of(service),
    )


def records(manifests: Iterable[Manifest], servings: Sequence[Serving]) -> list[Record]:
    """Join what exists with what runs."""
    by_service = {item.service: item for item in servings}
    return [_record(manifest, by_service.get(manifest.service)) for manifest in manifests]


def _record(manifest: Manifest, found: Serving | None) -> Record:
    return Record(
        name=manifest.name,
        version=str(manifest.version),
        digest=manifest.digest,
        service=manifest.service,
        size=manifest.size,
        golden_f1=_f1(manifest.metrics),
        serving=found.percents.get(manifest.digest, 0) if found else 0,
        previous=bool(found and found.previous == manifest.digest),
    )


def _f1(metrics: Mapping[str, Any]) -> float | None:
    value = metrics.get("golden_f1")
    return float(value) if isinstance(value, int | float) else None
