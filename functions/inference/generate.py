"""An answerer that asks a chat model over any OpenAI-compatible API; what it replies is checked.

All of it, retries included, ends within one time-out. A passing fault is tried again while the retry
budget lasts; a service that keeps failing is left alone for a while. Nobody's question waits for it
in vain more than a few times.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import httpx

from functions.inference import breaker
from functions.inference.answer import Answer, supports
from functions.inference.answerers import Evidence, NotAnswered
from functions.inference.prompt import Ungrounded, grounded, messages, sources

ATTEMPTS = 3
PAUSE = 0.2
"""Seconds before the first retry; doubled before the next."""
MOST_TOKENS = 400
TOO_MANY = 429


@dataclass(frozen=True, slots=True)
class Options:
    """Where the model is, and how long it may take."""

    api_key: str = field(repr=False)
    """`OPENAI_API_KEY`: with it, answers are generated; without it, quoted."""
    base_url: str
    """`OPENAI_BASE_URL`: any OpenAI-compatible API. Default https://api.openai.com/v1."""
    model: str
    """`OPENAI_MODEL`: the chat model. Default gpt-4o-mini."""
    timeout: float
    """`OPENAI_TIMEOUT_SECONDS`: for one answer, retries included. Default 15."""

    @classmethod
    def from_env(cls, environ: Mapping[str, str]) -> "Options | None":
        """Read `environ`; None without a key."""
        key = environ.get("OPENAI_API_KEY", "")
        if not key:
            return None
        return cls(
            api_key=key,
            base_url=environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1").rstrip("/"),
            model=environ.get("OPENAI_MODEL", "gpt-4o-mini"),
            timeout=float(environ.get("OPENAI_TIMEOUT_SECONDS", "15")),
        )


class Generative:
    """Answers with a chat model; keeps the breaker's state between questions."""

    reason = "OPENAI_API_KEY is configured"

    def __init__(
        self,
        options: Options,
        http: httpx.AsyncClient | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options, self._clock = options, clock
        self._client = http or httpx.AsyncClient(timeout=options.timeout)
        self._breaker = breaker.Breaker()

    @property
    def name(self) -> str:
        """What the response calls it: the API and its model."""
        return f"openai/{self._options.model}"

    async def answer(self, evidence: Evidence) -> Answer:
        """Ask the model, unless nothing that was found could support an answer."""
        if not supports(evidence.scores):
            raise NotAnswered("not asked, since nothing that was found supports an answer")
        admitted = breaker.admit(self._breaker, self._clock())
        if admitted is None:
            raise NotAnswered("not asked, since it failed repeatedly a moment ago")
        self._breaker = admitted
        shown = sources(evidence.candidates, evidence.scores)
        reply = await self._reply(messages(evidence.question, shown))
        try:
            return grounded(evidence.question, reply, shown)
        except Ungrounded as error:
            raise NotAnswered(f"its answer was not believed: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _reply(self, chat: list[dict[str, str]]) -> str:
        try:
            async with asyncio.timeout(self._options.timeout):
                reply = await self._attempts(chat)
        except (TimeoutError, httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            self._breaker = breaker.failed(self._breaker, self._clock())
            raise NotAnswered(_reason(error, self._options.timeout)) from error
        self._breaker = breaker.succeeded(self._breaker)
        return reply

    async def _attempts(self, chat: list[dict[str, str]]) -> str:
        for attempt in range(1, ATTEMPTS):
            try:
                return await self._call(chat)
            except httpx.HTTPError as error:
                paid = breaker.pay_retry(self._breaker)
                if paid is None or not _passing(error):
                    raise
                self._breaker = paid
            await asyncio.sleep(PAUSE * 2 ** (attempt - 1))
        return await self._call(chat)

    async def _call(self, chat: list[dict[str, str]]) -> str:
        reply = await self._client.post(
            f"{self._options.base_url}/chat/completions",
            headers={"authorization": f"Bearer {self._options.api_key}"},
            json={
                "model": self._options.model,
                "messages": chat,
                "temperature": 0,
                "max_tokens": MOST_TOKENS,
            },
        )
        reply.raise_for_status()
        content = reply.json()["choices"][0]["message"]["content"]
        if not isinstance(content, str):
            raise TypeError("the message has no content")
        return content


def _passing(error: httpx.HTTPError) -> bool:
    """Tell faults that a second try may not meet from those that it will."""
    if isinstance(error, httpx.HTTPStatusError):
        return error.response.is_server_error or error.response.status_code == TOO_MANY
    return isinstance(error, httpx.TransportError) and not isinstance(error, httpx.TimeoutException)


def _reason(error: Exception, timeout: float) -> str:
    if isinstance(error, TimeoutError | httpx.TimeoutException):
        return f"it did not answer within {timeout:g} s"
    if isinstance(error, httpx.HTTPStatusError):
        return f"it answered {error.response.status_code}"
    if isinstance(error, httpx.HTTPError):
        return f"it cannot be reached: {type(error).__name__}"
    return "it answered something that is no chat completion"
