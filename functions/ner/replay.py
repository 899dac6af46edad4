"""Replay: remembered requests are asked again of the candidate, one after another, within a bounded time.

One at a time, because the candidate may be a single replica that users do not know yet. Imported
when a comparison is asked for: an HTTP client is no part of a cold start.
"""

import time
from collections.abc import Sequence
from typing import Any

import httpx

from functions.ner.shadow import HEADER, Comparison, Found, Shadow
from functions.runtime.http import client

SECONDS, CALL_SECONDS = 20.0, 5.0


async def replay(shadow: Shadow, address: str, most: int) -> Comparison:
    """Ask the newest `most` requests again, for `SECONDS` at the most."""
    comparison, end = Comparison(), time.monotonic() + SECONDS
    async with client(CALL_SECONDS) as http:
        for texts, ours in list(shadow.kept)[-most:]:
            if time.monotonic() > end:
                break
            theirs = await _ask(http, address, texts)
            comparison.compared += 1
            comparison.failed += theirs is None
            for text, mine, other in zip(texts, ours, theirs or (), strict=theirs is not None):
                comparison.add(mine, other)
                if mine != other:
                    shadow.tell(text, mine, other)
    return comparison


async def _ask(http: httpx.AsyncClient, address: str, texts: Sequence[str]) -> list[Found] | None:
    """Ask the candidate; None when it has no right answer."""
    body = {"texts": list(texts)}
    try:
        response = await http.post(f"{address}/v1/entities", json=body, headers={HEADER: "1"})
        found = [_found(each["entities"]) for each in response.raise_for_status().json()["results"]]
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None
    return found if len(found) == len(texts) else None


def _found(entities: Sequence[dict[str, Any]]) -> Found:
    return frozenset((int(e["start"]), int(e["end"]), str(e["label"])) for e in entities)
