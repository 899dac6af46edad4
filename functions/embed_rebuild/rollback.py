"""Going back to a generation that is still kept: which one, and the swap.

The next rebuild follows the bucket again. So a rollback buys the time to repair the documents; it is
not a way to keep an old corpus.
"""

import json
from dataclasses import dataclass
from typing import Any

from functions.index.generation import Manifest
from functions.index.store import IndexStore
from functions.runtime.errors import BadRequest, Conflict, Invalid, NotFound


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which generation of which embedder; empty means the only embedder, the one before."""

    embedder: str = ""
    generation: str = ""


def parse(body: bytes) -> Wanted:
    """Read the body of `POST /v1/rollback`; none is the same as `{}`."""
    try:
        raw: Any = json.loads(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise BadRequest("the body is not JSON") from error
    if not isinstance(raw, dict):
        raise BadRequest("the body must be a JSON object")
    unknown = sorted(set(raw) - {"embedder", "generation"})
    if unknown or not all(isinstance(value, str) for value in raw.values()):
        raise Invalid("only `embedder` and `generation` may be given, as texts")
    return Wanted(**raw)


def kept(store: IndexStore) -> list[dict[str, Any]]:
    """Describe every generation that is kept, newest first."""
    return [
        {
            "generation": manifest.generation,
            "embedder": embedder,
            "created_at": manifest.created_at,
            "documents": manifest.documents,
            "chunks": manifest.chunks,
            "current": manifest.generation == store.current(embedder),
        }
        for embedder in store.embedders()
        for manifest in store.generations(embedder)
    ]


def roll_back(store: IndexStore, wanted: Wanted) -> dict[str, str]:
    """Make the wanted generation current; raises Superseded when another became so meanwhile."""
    embedder = wanted.embedder or _only(store.embedders())
    current = store.current(embedder)
    if current is None:
        raise NotFound("there is no index for this embedder")
    chosen = choose(store.generations(embedder), current, wanted.generation)
    store.swap(embedder, current, chosen.generation)
    return {"embedder": embedder, "generation": chosen.generation, "replaced": current}


def choose(manifests: list[Manifest], current: str, name: str) -> Manifest:
    """Choose among the generations of one embedder, newest first: `name`, or the one before `current`."""
    fitting = [
        manifest
        for manifest in manifests
        if (manifest.generation == name if name else manifest.generation < current)
    ]
    if not fitting:
        raise NotFound(f"generation {name[:80]} is not kept" if name else "no older one is kept")
    if fitting[0].generation == current:
        raise Conflict(f"{current} is current already")
    return fitting[0]


def _only(embedders: list[str]) -> str:
    if not embedders:
        raise NotFound("there is no index yet")
    if len(embedders) > 1:
        raise Invalid(f"`embedder` must be one of {', '.join(embedders)}")
    return embedders[0]
