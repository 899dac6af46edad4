"""Entities of an answer, from `ner`: within a deadline, and never at the price of the answer."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

import httpx

from functions.runtime.http import client

log = logging.getLogger(__name__)
WAKE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Entities:
    """What `ner` found; `error` says why there is nothing when it did not answer."""

    found: tuple[dict[str, Any], ...] = ()
    model: Any = None
    error: str = ""


class Ner:
    """The client of `ner`. `url` empty means that there is none."""

    def __init__(self, url: str, timeout: float, http: httpx.AsyncClient | None = None) -> None:
        self._url, self._timeout = url, timeout
        self._client = http or client(timeout)
        self._waking: asyncio.Task[None] | None = None

    def wake(self) -> None:
        """Let `ner` start while we start: the first question will need both."""
        if self._url:
            self._waking = asyncio.create_task(self._knock())

    async def entities(self, text: str) -> Entities:
        """Return the entities of `text`, offsets into it."""
        if not self._url:
            return Entities(error="no NER_URL is configured")
        try:
            async with asyncio.timeout(self._timeout):  # httpx counts each read on its own
                return await self._ask(text)
        except TimeoutError:
            return Entities(error=f"ner did not answer within {self._timeout:g} s")
        except httpx.HTTPError as error:
            return Entities(error=_reason(error))
        except (ValueError, LookupError, TypeError):
            return Entities(error="ner answered something that is no list of entities")

    async def _ask(self, text: str) -> Entities:
        reply = await self._client.post(f"{self._url}/v1/entities", json={"texts": [text]})
        reply.raise_for_status()
        body = reply.json()
        return Entities(tuple(body["results"][0]["entities"]), body.get("model"))

    async def close(self) -> None:
        """Close the connections."""
        if self._waking is not None:
            self._waking.cancel()
        await self._client.aclose()

    async def _knock(self) -> None:
        try:
            await self._client.get(f"{self._url}/health/ready", timeout=WAKE_SECONDS)
        except httpx.HTTPError:
            log.info("ner is not there yet")


def _reason(error: httpx.HTTPError) -> str:
    if isinstance(error, httpx.HTTPStatusError):
        return f"ner answered {error.response.status_code}"
    return f"ner cannot be reached: {type(error).__name__}"
