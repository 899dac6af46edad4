"""Is every answer right while a process warms up? Cold starts under load, against a warm process.

`--starts N` (default 50) processes, `--requests N` (default 200) of each: clients ask from the moment
that it is started, through its opening, its first answers and the change to the steady form. What
is answered must have the entities that a warm process finds. `--release FOLDER` is what is served
(default models/ner-v1.2.0).
"""

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path
from typing import Any

import httpx

from knative.local.processes import server_port
from scripts.benchmarks.cached import cached
from scripts.benchmarks.harness import ROOT, CannotMeasure, Options, Report

CLIENTS, POLL, PATIENCE = 8, 0.005, 60.0
TEXTS = (
    "Nestlé raised its outlook for 2024 by 4.2 % in Vevey, Mark Schneider said on Thursday.",
    "Anna.",
    "BASF SE and Siemens AG supply heat pumps to Poland for 3.5 billion euros. " * 8,
    "",
    "半導体の売上高は前年比で増加した。",
)
Entities = list[tuple[str, str, int, int]]


def run(report: Report, options: Options) -> None:
    """Start, ask, compare, again and again."""
    parser = argparse.ArgumentParser(prog="./scripts/bench warming")
    parser.add_argument("--starts", type=int, default=50)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--release", type=Path, default=ROOT / "models/ner-v1.2.0")
    given = parser.parse_args(options.rest)
    if not given.release.exists():
        raise CannotMeasure(f"{given.release} is not there: ./scripts/up makes it")
    with tempfile.TemporaryDirectory(prefix="bench-warming-") as folder:
        digest = cached(given.release, Path(folder))
        environ = {"MODEL_CACHE_DIR": folder, "MODEL_DIGEST": digest, "METRICS_PORT": "0"}
        asyncio.run(_measure(report, environ, given.starts, given.requests))


async def _measure(report: Report, environ: dict[str, str], starts: int, requests: int) -> None:
    right: list[Entities] = []
    async with _process(environ) as http:
        for _ in range(3):  # past the change to the steady form
            right = [await _ask(http, text) for text in TEXTS]
    found = Counter[str]()
    for _ in range(starts):
        async with _process(environ) as http:
            found += await _load(http, right, requests)
    report.row(
        cold_starts=float(starts),
        answers=float(found["right"] + found["wrong"]),
        refused_while_it_starts=float(found["refused"]),
        wrong=float(found["wrong"]),
    )
    report.equal("wrong answers", found["wrong"], 0)
    report.equal("answers", found["right"] + found["wrong"], starts * requests)


async def _load(http: httpx.AsyncClient, right: Sequence[Entities], requests: int) -> Counter[str]:
    """Ask until so many were answered; those refused while it starts are asked again."""
    found, numbers = Counter[str](), count()

    async def client() -> None:
        while (number := next(numbers)) < requests:
            text = number % len(TEXTS)
            answer = await _ask(http, TEXTS[text], found)
            found["right" if answer == right[text] else "wrong"] += 1

    async with asyncio.timeout(PATIENCE):
        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return found


async def _ask(http: httpx.AsyncClient, text: str, found: Counter[str] | None = None) -> Entities:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            answer = await http.post("/v1/entities", json={"texts": [text]})
        except httpx.TransportError:
            await asyncio.sleep(POLL)
            continue
        if answer.is_success:
            return [_plain(one) for one in answer.json()["results"][0]["entities"]]
        if found is not None:
            found["refused"] += 1
        await asyncio.sleep(POLL)
    raise CannotMeasure("ner does not answer")


def _plain(entity: dict[str, Any]) -> tuple[str, str, int, int]:
    return entity["text"], entity["label"], entity["start"], entity["end"]


@asynccontextmanager
async def _process(environ: dict[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    port = server_port()
    words = ("-m", "functions.runtime", "functions.ner.app:function")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=ROOT,
        env={**os.environ, **environ, "PORT": str(port), "BIND_ADDRESS": "127.0.0.1"},
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as http:
            yield http
    finally:
        process.kill()
        await process.wait()
