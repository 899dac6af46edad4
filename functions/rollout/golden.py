"""The golden set: what the candidate says, compared with what is right and with what stable says.

The metric for named entities is micro F1, and an entity counts only with its exact span and label.
Both Revisions get the same texts over the same public path as any caller.
"""

import asyncio
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from knative.serving.observation import GoldenResult
from knative.serving.policy import Policy

TASK = "token-classification"
_PATH = "/v1/entities"
_TRIES = 6
_PAUSE_SECONDS = 0.2

Entity = tuple[int, int, str]


class GoldenUnavailable(Exception):
    """The golden set could not be evaluated this time."""


@dataclass(frozen=True, slots=True)
class Example:
    """A text, and the entities that are in it."""

    text: str
    entities: frozenset[Entity]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one of the two Revisions answers, and how many texts go into one request."""

    http: httpx.AsyncClient
    address: str
    batch: int


def read(path: Path) -> list[Example]:
    """Read a golden set, one JSON object a line; raises GoldenUnavailable."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [_example(json.loads(line)) for line in lines if line.strip()]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise GoldenUnavailable(f"{path.name} cannot be read: {error!r}") from error


def f1(wanted: Iterable[frozenset[Entity]], found: Iterable[frozenset[Entity]]) -> float:
    """Return micro F1; with nothing to find and nothing found it is 1."""
    right = all_wanted = all_found = 0
    for expected, answered in zip(wanted, found, strict=True):
        right += len(expected & answered)
        all_wanted += len(expected)
        all_found += len(answered)
    total = all_wanted + all_found
    return 2 * right / total if total else 1.0


async def score(endpoint: Endpoint, examples: Sequence[Example]) -> float:
    """Return the F1 of whoever answers at the endpoint; raises GoldenUnavailable."""
    found: list[frozenset[Entity]] = []
    for start in range(0, len(examples), endpoint.batch):
        texts = [example.text for example in examples[start : start + endpoint.batch]]
        found += await _ask(endpoint, texts)
    return f1((example.entities for example in examples), found)


def compare(candidate: float, stable: float | None, policy: Policy) -> GoldenResult:
    """Judge two scores; without a stable Revision only the floor counts."""
    if candidate < policy.min_golden:
        return GoldenResult(
            passed=False, evidence=f"golden F1 {candidate:.3f} is below {policy.min_golden:g}"
        )
    if stable is None:
        return GoldenResult(
            passed=True, evidence=f"golden F1 {candidate:.3f}, nothing to compare with"
        )
    both = f"golden F1 {candidate:.3f}, stable {stable:.3f}"
    if candidate < stable - policy.golden_margin:
        return GoldenResult(passed=False, evidence=f"{both}: worse than {policy.golden_margin:g}")
    return GoldenResult(passed=True, evidence=both)


async def _ask(endpoint: Endpoint, texts: list[str]) -> list[frozenset[Entity]]:
    """Ask until there is an answer: how often requests fail is the canary's question, not ours."""
    problem = ""
    for attempt in range(_TRIES):
        try:
            response = await endpoint.http.post(endpoint.address + _PATH, json={"texts": texts})
            response.raise_for_status()
            results = response.json()["results"]
            if len(results) == len(texts):
                return [_entities(result["entities"]) for result in results]
            problem = f"{len(results)} results for {len(texts)} texts"
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            problem = repr(error)
        await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
    raise GoldenUnavailable(f"{endpoint.address} did not answer the golden set: {problem}")


def _example(raw: dict[str, Any]) -> Example:
    return Example(str(raw["text"]), _entities(raw["entities"]))


def _entities(raw: Iterable[dict[str, Any]]) -> frozenset[Entity]:
    return frozenset((int(item["start"]), int(item["end"]), str(item["label"])) for item in raw)
