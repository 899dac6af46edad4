"""Requests a second of ner on bert-base at concurrency 1, 8 and 32: ours, int8, and peers.

Sentences of 16 to 128 tokens; one thread a model, for all. `--peers kserve,litserve,bentoml` adds
servers, each in an environment of its own; `--seconds` is the length of one measurement.
"""

import argparse
import asyncio
import itertools
import random
import statistics
import time
from collections.abc import Iterator

import httpx

from scripts.benchmarks import bert_base
from scripts.benchmarks.bert_base import BertBase
from scripts.benchmarks.contestants import OURS, Contestant, Started, chosen, serving
from scripts.benchmarks.harness import CannotMeasure, Options, Report

LEVELS = (1, 8, 32)
SECONDS = 10.0
INT8 = "ours, int8"
WORDS = bert_base.TEXT.split()
ONE_THREAD = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
Found = dict[tuple[str, int], tuple[float, float, float]]


def run(report: Report, options: Options) -> None:
    """Measure each server in turn, at each level."""
    parser = argparse.ArgumentParser(prog="./scripts/bench ner")
    parser.add_argument("--peers", default="")
    contestants = chosen(parser.parse_args(options.rest).peers)
    model, seconds = bert_base.made(), options.seconds or SECONDS
    found: Found = {}
    for contestant in contestants:
        found |= _measured(contestant.name, contestant, model, ONE_THREAD, seconds)
    found |= _measured(INT8, OURS, model, ONE_THREAD | {"MODEL_PRECISION": "int8"}, seconds)
    for (name, level), (rate, late, memory) in found.items():
        report.row(
            server=name, concurrency=float(level), requests_s=rate, p95_s=late, memory_MiB=memory
        )
    _goals(report, found, [one.name for one in contestants if one is not OURS])


def _measured(
    name: str, contestant: Contestant, model: BertBase, more: dict[str, str], seconds: float
) -> Found:
    with serving(contestant, model, more) as started:
        asyncio.run(_load(contestant, started, 1, seconds / 2))  # not counted: it settles
        return {
            (name, level): (
                *asyncio.run(_load(contestant, started, level, seconds)),
                started.memory(),
            )
            for level in LEVELS
        }


async def _load(
    contestant: Contestant, started: Started, level: int, seconds: float
) -> tuple[float, float]:
    """Ask with `level` clients for a while; return answers a second and the 95th percentile.

    A request that is refused or too late is no answer.
    """
    texts, took = _texts(), list[float]()
    begun = time.monotonic()
    limits = httpx.Limits(max_connections=level)
    async with httpx.AsyncClient(
        base_url=started.url, trust_env=False, timeout=120.0, limits=limits
    ) as client:

        async def ask() -> None:
            while time.monotonic() - begun < seconds:
                sent = time.monotonic()
                body = {contestant.field: [next(texts)]}
                if (await client.post(contestant.path, json=body)).is_success:
                    took.append(time.monotonic() - sent)

        await asyncio.gather(*(ask() for _ in range(level)))
    if len(took) < level:
        raise CannotMeasure(f"{contestant.name} hardly answers: is this machine doing other work?")
    late = statistics.quantiles(took, n=20)[-1] if len(took) > 1 else took[0]
    return len(took) / (time.monotonic() - begun), late


def _texts() -> Iterator[str]:
    """Yield sentences of mixed length, for ever, the same ones for every server."""
    rng = random.Random(1)  # noqa: S311 - texts, not secrets
    made = [" ".join(rng.choices(WORDS, k=rng.randint(8, 64))) for _ in range(200)]
    return itertools.cycle(made)


def _goals(report: Report, found: Found, peers: list[str]) -> None:
    most = LEVELS[-1]
    best = max(found[name, most][0] for name in peers)
    report.at_least(
        "requests/s at 32, to the best peer", found[OURS.name, most][0] / best, 1.5, "times"
    )
    report.at_least("int8 at 32, to the best peer", found[INT8, most][0] / best, 3.0, "times")
    for level in LEVELS:
        least = min(found[name, level][1] for name in peers)
        report.at_most(
            f"p95 at {level}, to the best peer", found[OURS.name, level][1] / least, 1.0, "times"
        )
    small = min(found[name, most][2] for name in peers)
    report.at_most("memory, to the best peer", found[OURS.name, most][2] / small, 0.65, "times")
