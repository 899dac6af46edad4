"""Warm: a candidate is warm when it is ready at its tag address and a real inference has worked.

A call to the tag address wakes a Revision that sleeps, and waits for it as any caller would.
"""

import asyncio
from dataclasses import dataclass

import httpx

_READY = "/health/ready"
_PAUSE_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Inference:
    """A request that makes the model work: a path of the Revision's own, and its JSON."""

    path: str
    body: dict[str, object]


ENTITIES = Inference("/v1/entities", {"texts": ["Acme Corp. hired Jane Doe in Berlin in May."]})


async def warm(
    http: httpx.AsyncClient, address: str, inference: Inference | None, seconds: float
) -> tuple[bool, str]:
    """Call until it is warm, `seconds` at the most; return whether it is, and what was seen."""
    last = "it did not answer"
    try:
        async with asyncio.timeout(seconds):
            while True:
                last = await _problem(http, address, inference)
                if not last:
                    return True, "ready, and a real inference answered" if inference else "ready"
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        return False, last


async def _problem(http: httpx.AsyncClient, address: str, inference: Inference | None) -> str:
    """Return what is not right yet; empty when all is."""
    try:
        response = await http.get(address + _READY)
        if response.is_success and inference:
            response = await http.post(address + inference.path, json=inference.body)
    except httpx.HTTPError as error:
        return repr(error)
    return "" if response.is_success else f"{response.request.url.path}: {response.status_code}"
