"""The golden set: what is asked of both Revisions, what they say, and how much of it is right.

The metric for named entities is micro F1, and an entity counts only with its exact span and label.
Both get the same texts over the same public path as any caller; what passes is `gate`'s business.
"""

import asyncio
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from functions.registry.golden import Entity, Example, parse

TASK = "token-classification"
_PATH = "/v1/entities"
_TRIES = 6
_PAUSE_SECONDS = 0.2


class GoldenUnavailable(Exception):
    """The golden set could not be evaluated this time."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where one of the two Revisions answers, and how many texts go into one request."""

    http: httpx.AsyncClient
    address: str
    batch: int


@dataclass(frozen=True, slots=True)
class Answers:
    """The entities of each text, and how long each request took."""

    entities: tuple[frozenset[Entity], ...]
    seconds: tuple[float, ...] = ()


def read(path: Path) -> list[Example]:
    """Read a golden set. Refused when it is none; GoldenUnavailable while the volume does not answer."""
    try:
        document = path.read_bytes()
    except OSError as error:
        raise GoldenUnavailable(f"{path.name} cannot be read: {error!r}") from error
    return parse(document)


def f1(wanted: Iterable[frozenset[Entity]], found: Iterable[frozenset[Entity]]) -> float:
    """Return micro F1; with nothing to find and nothing found it is 1."""
    right = all_wanted = all_found = 0
    for expected, answered in zip(wanted, found, strict=True):
        right += len(expected & answered)
        all_wanted += len(expected)
        all_found += len(answered)
    total = all_wanted + all_found
    return 2 * right / total if total else 1.0


async def ask(endpoint: Endpoint, examples: Sequence[Example]) -> Answers:
    """Return what whoever answers at the endpoint says; raises GoldenUnavailable."""
    found: list[frozenset[Entity]] = []
    seconds: list[float] = []
    for start in range(0, len(examples), endpoint.batch):
        texts = [example.text for example in examples[start : start + endpoint.batch]]
        answered, took = await _ask(endpoint, texts)
        found += answered
        seconds.append(took)
    return Answers(tuple(found), tuple(seconds))


async def _ask(endpoint: Endpoint, texts: list[str]) -> tuple[list[frozenset[Entity]], float]:
    """Ask until there is an answer: how often requests fail is the canary's question, not ours."""
    problem = ""
    for attempt in range(_TRIES):
        began = time.monotonic()
        try:
            response = await endpoint.http.post(endpoint.address + _PATH, json={"texts": texts})
            response.raise_for_status()
            results = response.json()["results"]
            if len(results) == len(texts):
                took = time.monotonic() - began
                return [_entities(result["entities"]) for result in results], took
            problem = f"{len(results)} results for {len(texts)} texts"
        except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
            problem = repr(error)
        await asyncio.sleep(_PAUSE_SECONDS * 2**attempt)
    raise GoldenUnavailable(f"{endpoint.address} did not answer the golden set: {problem}")


def _entities(raw: Iterable[dict[str, Any]]) -> frozenset[Entity]:
    return frozenset((int(item["start"]), int(item["end"]), str(item["label"])) for item in raw)
