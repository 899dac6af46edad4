"""The gateway's price: latency and throughput beside nginx as a plain proxy, and by the activator.

Short rounds of all paths take turns, so that whatever else the machine does falls on each of them;
every figure is the median of its rounds. All proxies have one worker and the same upstream, and share
one core with it. A single connection is asked from that core, too: what it waits for is the proxy, and
not how long this machine's cores take to wake each other. Many are asked from another core. The goals
are set against nginx as a plain proxy; nginx that keeps its connections is the stricter comparison,
and Envoy without any of our configuration says whose the difference is.
"""

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from statistics import median

from knative.local.processes import server_port
from scripts.benchmarks import cores, wrk
from scripts.benchmarks.harness import Options, Report
from scripts.benchmarks.laptop import Laptop, host, laptop, service
from scripts.benchmarks.wrk import Load, Target
from scripts.laptop.process import ROOT

ROUNDS, ROUND_SECONDS = 7, 1
ONE, MANY = 1, 64
PLAIN, KEEPING, BARE = "nginx", "nginx keep-alive", "bare Envoy"
NGINX, ENVOY = "scripts.benchmarks.nginx", "scripts.benchmarks.bare_envoy"
MOST_LATENCY, LEAST_THROUGHPUT, LEAST_BY_ACTIVATOR = 1.3, 0.8, 1500
"""The goals: two ratios to nginx, and requests a second."""

Found = Mapping[tuple[str, int], list[Load]]


def run(report: Report, options: Options) -> None:
    """Measure and compare; `--seconds` is the length of one round, in whole seconds."""
    wrk.needed("wrk", "nginx")
    (server, *_), clients = cores.shared_out()
    with cores.bound({server}):
        seconds = round(options.seconds or ROUND_SECONDS)
        found = asyncio.run(_measure(seconds, {ONE: server, MANY: clients}))
    for (path, connections), rounds in found.items():
        report.row(
            path=path,
            connections=connections,
            requests_per_second=_median(rounds, "per_second"),
            median_ms=_median(rounds, "median_ms"),
            p99_ms=_median(rounds, "p99_ms"),
            failed=sum(load.failed for load in rounds),
        )
    _goals(report, found)


def _goals(report: Report, found: Found) -> None:
    one = {path: _median(found[path, ONE], "median_ms") for path, _ in found}
    many = {path: _median(found[path, MANY], "per_second") for path, _ in found}
    for other in (PLAIN, KEEPING):
        added = (one["gateway"] - one["direct"]) / (one[other] - one["direct"])
        report.at_most(
            f"added latency at concurrency 1, times that of {other}", added, MOST_LATENCY
        )
        share = many["gateway"] / many[other]
        name = f"throughput at concurrency 64, times that of {other}"
        report.at_least(name, share, LEAST_THROUGHPUT)
    report.at_least("throughput by the activator", many["activator"], LEAST_BY_ACTIVATOR, "/s")
    failed = sum(load.failed for rounds in found.values() for load in rounds)
    report.equal("failed requests", failed, 0)


def _median(rounds: list[Load], what: str) -> float:
    return median(float(getattr(load, what)) for load in rounds)


async def _measure(seconds: int, cores_of: Mapping[int, int]) -> Found:
    found: defaultdict[tuple[str, int], list[Load]] = defaultdict(list)
    async with laptop() as local:
        nginx = partial(service, command=("python", "-m", NGINX), env=_folder(local), min_scale="1")
        await local.create(nginx("plain"))
        # A hard limit keeps the activator in the way; this one is the highest there is.
        await local.create(nginx("limited", concurrency=1000))
        async with _targets(local) as targets:
            for number in range(ROUNDS + 1):
                for connections, core in cores_of.items():
                    for path, target in targets.items():
                        load = await wrk.load(target, connections, seconds, core)
                        if number:  # the first round warms everything up
                            found[path, connections].append(load)
    return found


@asynccontextmanager
async def _targets(local: Laptop) -> AsyncIterator[dict[str, Target]]:
    upstream = (await local.get("plain")).text.split()[1]
    gateway = local.running.gateway_port
    async with AsyncExitStack() as stack:

        async def proxy(module: str, *more: str) -> Target:
            return Target(await stack.enter_async_context(_proxy(local, module, upstream, *more)))

        yield {
            "direct": Target(int(upstream)),
            "gateway": Target(gateway, host("plain")),
            PLAIN: await proxy(NGINX),
            KEEPING: await proxy(NGINX, str(2 * MANY)),
            BARE: await proxy(ENVOY),
            "activator": Target(gateway, host("limited")),
        }


@asynccontextmanager
async def _proxy(local: Laptop, module: str, *arguments: str) -> AsyncIterator[int]:
    """Run a proxy for the length of the block; return its port."""
    port = server_port()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module, *arguments),
        cwd=ROOT,
        env={**os.environ, **_folder(local), "PORT": str(port)},
    )
    try:
        await local.until(lambda: _answers(port), f"{module} answers")
        yield port
    finally:
        process.terminate()
        await process.wait()


def _folder(local: Laptop) -> dict[str, str]:
    """Have what proxies write where it goes away with the platform."""
    return {"TMPDIR": str(local.running.data)}


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
