"""What is known of every published version, put together from the bucket and the Services. Pure.

There is no database of models: the bucket says what exists, the Services say what runs.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from functions.registry.manifest import Manifest
from knative.serving.objects import model_of
from knative.serving.state import State, of
from knative.serving.table import Phase

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Serving:
    """What one Service does with models: percents and Revisions by digest, and its rollout."""

    service: str
    template: str
    percents: Mapping[str, int]
    places: Mapping[str, tuple[str, ...]]
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
    """One line of `models list`.

    `parity`: how far the prepared form's answers are from the checkpoint's, at most. `serving`: its
    percent of the Service's traffic. `previous`: a rollback returns to it.
    """

    name: str
    version: str
    digest: str
    service: str
    size: int
    golden_f1: float | None
    parity: float | None
    serving: int
    places: tuple[str, ...]
    previous: bool
    pinned: bool


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
        places=_places(service, digests),
        previous=previous,
        state=of(service),
    )


def records(
    manifests: Iterable[Manifest], servings: Sequence[Serving], pins: Collection[str] = ()
) -> list[Record]:
    """Join what exists with what runs; `pins` are the folders that a person pinned."""
    by_service = {item.service: item for item in servings}
    return [_record(manifest, by_service.get(manifest.service), pins) for manifest in manifests]


def _places(service: Object, digests: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """`ner-00007 75 %`, `ner-00006 0 % (previous)`: every Revision that can be reached, by digest."""
    percents: dict[str, int] = {}
    tags: dict[str, list[str]] = {}
    for traffic in service.get("status", {}).get("traffic") or []:
        revision = traffic.get("revisionName", "")
        percents[revision] = percents.get(revision, 0) + int(traffic.get("percent") or 0)
        tags.setdefault(revision, []).extend([traffic["tag"]] if traffic.get("tag") else [])
    places: dict[str, tuple[str, ...]] = {}
    for revision, percent in percents.items():
        named = f" ({', '.join(tags[revision])})" if tags[revision] else ""
        digest = digests.get(revision, "")
        places[digest] = (*places.get(digest, ()), f"{revision} {percent} %{named}")
    return places


def _record(manifest: Manifest, found: Serving | None, pins: Collection[str]) -> Record:
    return Record(
        name=manifest.name,
        version=str(manifest.version),
        digest=manifest.digest,
        service=manifest.service,
        size=manifest.size,
        golden_f1=_number(manifest.metrics, "golden_f1"),
        parity=_number(manifest.metrics, "parity_max_abs"),
        serving=found.percents.get(manifest.digest, 0) if found else 0,
        places=found.places.get(manifest.digest, ()) if found else (),
        pinned=manifest.folder in pins,
        previous=bool(found and found.previous == manifest.digest),
    )


def _number(metrics: Mapping[str, Any], name: str) -> float | None:
    value = metrics.get(name)
    return float(value) if isinstance(value, int | float) else None
