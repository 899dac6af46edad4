"""Sentences of known length, and clients that ask a server for them for a while.

A closed loop: each client asks again once it is answered. What is answered while the load builds up
or ends is not counted, and a request that is refused is no answer.
"""

import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from scripts.benchmarks.contestants import Contestant
from scripts.benchmarks.harness import CannotMeasure

MIXED = "16-128"
KINDS = {"64": (64, 64), MIXED: (16, 128)}
"""Fewest and most tokens of a sentence, special ones included."""
BUILD_UP, LEAST_BUILD_UP = 0.15, 0.5
"""Seconds in which the load builds up, a client: about what a sentence takes; and at least."""
FEWEST = 5
"""Answers that have a 95th percentile."""
_SPECIAL, _SENTENCES = 2, 200
_TOKENS = {"Nestlé": 2, "raised": 1, "Vevey,": 3, "Mark": 1, "Schneider": 1, "said": 1, "4.2": 3}
_FILLER = "in"


@dataclass(frozen=True, slots=True)
class Pace:
    """How many clients ask at once, and for how long it counts."""

    level: int
    seconds: float

    @property
    def build_up(self) -> float:
        """Seconds before it counts."""
        return max(LEAST_BUILD_UP, self.level * BUILD_UP)


SETTLING = Pace(4, 3.0)


@dataclass(slots=True)
class Load:
    """What the clients see; `sent` to `answered` in seconds of the monotonic clock."""

    begun: float
    pace: Pace
    took: list[float] = field(default_factory=list)

    @property
    def until(self) -> float:
        """When clients stop asking."""
        return self.begun + self.pace.build_up + self.pace.seconds

    def answered(self, sent: float, now: float) -> None:
        """Count an answer, if it came in time to count."""
        if self.begun + self.pace.build_up <= now < self.until:
            self.took.append(now - sent)


def sentences(kind: str) -> Iterator[str]:
    """Yield sentences for ever, the same ones for every server."""
    return itertools.cycle([text for text, _ in _drawn(kind)])


def lengths(kind: str) -> list[int]:
    """Return the tokens of each of those sentences."""
    return [tokens for _, tokens in _drawn(kind)]


def _drawn(kind: str) -> Iterator[tuple[str, int]]:
    """Yield each sentence and its tokens."""
    rng, (least, most) = random.Random(1), KINDS[kind]  # noqa: S311 - texts, not secrets
    for _ in range(_SENTENCES):
        tokens = rng.randint(least, most)
        yield _sentence(rng, tokens), tokens


def settle(contestant: Contestant, url: str) -> None:
    """Ask until caches are full and what a server does behind its first answers is done."""
    asyncio.run(_load(contestant, url, MIXED, SETTLING))


def measure(contestant: Contestant, url: str, kind: str, pace: Pace) -> tuple[float, float]:
    """Ask for a while; return answers a second and the 95th percentile in seconds."""
    load = asyncio.run(_load(contestant, url, kind, pace))
    if len(load.took) < FEWEST:
        raise CannotMeasure(f"{contestant.name} hardly answers: is this machine doing other work?")
    return len(load.took) / pace.seconds, statistics.quantiles(load.took, n=20)[-1]


async def _load(contestant: Contestant, url: str, kind: str, pace: Pace) -> Load:
    load, texts = Load(time.monotonic(), pace), sentences(kind)
    kept = httpx.Limits(max_keepalive_connections=pace.level)
    async with httpx.AsyncClient(
        base_url=url, trust_env=False, timeout=120.0, limits=kept
    ) as client:

        async def ask() -> None:
            while (sent := time.monotonic()) < load.until:
                answer = await client.post(contestant.path, json=contestant.body(next(texts)))
                if answer.is_success:
                    load.answered(sent, time.monotonic())

        await asyncio.gather(*(ask() for _ in range(pace.level)))
    return load


def _sentence(rng: random.Random, tokens: int) -> str:
    """Draw words until there is no room, then fill up."""
    words, left = list[str](), tokens - _SPECIAL
    while (word := rng.choice(list(_TOKENS))) and _TOKENS[word] <= left:
        words.append(word)
        left -= _TOKENS[word]
    return " ".join([*words, *[_FILLER] * left])
