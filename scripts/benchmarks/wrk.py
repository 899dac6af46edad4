"""One short load by wrk, which measures better than anything in Python could."""

import asyncio
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from scripts.benchmarks.harness import CannotMeasure

SCRIPT = Path(__file__).with_suffix(".lua")


@dataclass(frozen=True, slots=True)
class Target:
    """An address, and the host name to ask it for."""

    port: int
    host: str = "localhost"


@dataclass(frozen=True, slots=True)
class Load:
    """What one round found."""

    per_second: float
    median_ms: float
    p99_ms: float
    failed: int


def needed(*programs: str) -> None:
    """Refuse in one line when a program is missing."""
    missing = [name for name in programs if shutil.which(name) is None]
    if missing:
        names = " ".join(missing)
        raise CannotMeasure(f"{names} is missing: sudo apt-get install {names}")


async def load(target: Target, connections: int, seconds: int, core: int) -> Load:
    """Ask `target` over `connections` for whole `seconds`, each connection one request at a time.

    wrk has one thread, on `core`.
    """
    options = ("-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT))
    headers = ("-H", f"Host: {target.host}")
    url = f"http://127.0.0.1:{target.port}/"
    wrk = await asyncio.create_subprocess_exec(
        *("taskset", "-c", str(core), "wrk", *options, *headers, url),
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await wrk.communicate()
    found = json.loads(out.splitlines()[-1])
    return Load(
        per_second=found["requests"] / found["duration_us"] * 1e6,
        median_ms=found["p50_us"] / 1000,
        p99_ms=found["p99_us"] / 1000,
        failed=found["failed"],
    )
