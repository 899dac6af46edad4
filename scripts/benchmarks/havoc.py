"""What is done to Services at random: deployed, split, created, deleted, their processes killed.

The rule: everything here is something that a person or a machine does to a platform that is in
order. Only `kill` may cost a request, one that its process was just working on.
"""

import random
import signal
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import httpx
import psutil

from knative.local.processes import MARK
from knative.serving.client import PODS, REVISIONS, SERVICES
from scripts.benchmarks.laptop import Laptop, service

WINDOW = "6s"
SPLIT = 2  # Revisions
Act = Callable[[str], Awaitable[None]]


@dataclass(slots=True)
class Done:
    """What was done, and the kills with their moments: a Service, and when."""

    acts: Counter[str] = field(default_factory=Counter)
    kills: list[tuple[str, float]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)  # Services that came and did not answer


@dataclass(slots=True)
class Havoc:
    """One hand on the platform; `draw` makes it repeatable."""

    local: Laptop
    draw: random.Random
    done: Done = field(default_factory=Done)
    generation: int = 0

    async def act(self, name: str) -> None:
        """Do one thing to a Service."""
        acts: dict[str, Act] = {
            "deployed": self._deploy,
            "split": self._split,
            "Revision deleted": self._delete_revision,
            "Pod deleted": self._delete_pod,
            "process killed": self._kill,
            "Service created and deleted": self._come_and_go,
        }
        what = self.draw.choice(list(acts))
        await acts[what](name)
        self.done.acts[what] += 1

    def service(self, name: str) -> dict[str, Any]:
        """Make the next generation of a Service; those named `limited…` have a hard limit."""
        self.generation += 1
        env = {"GENERATION": str(self.generation)}
        concurrency = 10 if name.startswith("limited") else 0
        return service(name, env=env, concurrency=concurrency, window=WINDOW)

    async def _deploy(self, name: str) -> None:
        latest = {"latestRevision": True, "percent": 100}
        template = self.service(name)["spec"]["template"]
        patch = {"spec": {"template": template, "traffic": [latest]}}
        await self.local.kube.patch(SERVICES, name, patch)

    async def _split(self, name: str) -> None:
        ready = [r["metadata"]["name"] for r in await self._revisions(name) if _ready(r)]
        if len(ready) < SPLIT:
            return
        first, second = self.draw.sample(ready, SPLIT)
        percent = self.draw.randint(1, 99)
        traffic = [
            {"revisionName": first, "percent": percent},
            {"revisionName": second, "percent": 100 - percent},
        ]
        await self.local.kube.patch(SERVICES, name, {"spec": {"traffic": traffic}})

    async def _delete_revision(self, name: str) -> None:
        found = await self.local.kube.get(SERVICES, name)
        needed = {found["status"].get(f"latest{x}RevisionName") for x in ("Created", "Ready")}
        for part in (found["spec"], found["status"]):
            needed |= {target.get("revisionName") for target in part.get("traffic", [])}
        names = {r["metadata"]["name"] for r in await self._revisions(name)} - needed
        if names:
            await self.local.kube.delete(REVISIONS, self.draw.choice(sorted(names)))

    async def _delete_pod(self, name: str) -> None:
        pods = sorted(pod["metadata"]["name"] for pod in await self.local.pods(name))
        if pods:
            await self.local.kube.delete(PODS, self.draw.choice(pods))

    async def _kill(self, name: str) -> None:
        victims = [p for p in functions(self.local) if _of(p, name)]
        if victims:
            victim = self.draw.choice(sorted(victims, key=lambda p: p.pid))
            self.done.kills.append((name, time.monotonic()))
            with suppress(psutil.NoSuchProcess):
                victim.send_signal(signal.SIGKILL)

    async def _come_and_go(self, name: str) -> None:
        name = f"guest-of-{name}-{self.generation}"
        await self.local.create(self.service(name))
        for _ in range(5):
            answer = await self.local.get(name)
            if answer.status_code != httpx.codes.OK:
                self.done.troubles.append(f"{name}: {answer.status_code} {answer.text[:200]}")
        await self.local.kube.delete(SERVICES, name)

    async def _revisions(self, name: str) -> list[dict[str, Any]]:
        return await self.local.kube.list(REVISIONS, {"serving.knative.dev/service": name})


def functions(local: Laptop) -> list[psutil.Process]:
    """List the functions' processes of this platform, wherever in the process tree they are."""
    return [
        p
        for p in psutil.process_iter()
        if _environment(p).get(MARK) == str(local.running.data) and "K_SERVICE" in _environment(p)
    ]


def _environment(process: psutil.Process) -> dict[str, str]:
    with suppress(psutil.Error, OSError):
        return process.environ()
    return {}


def _of(process: psutil.Process, name: str) -> bool:
    return _environment(process).get("K_SERVICE") == name


def _ready(revision: dict[str, Any]) -> bool:
    conditions = revision.get("status", {}).get("conditions", [])
    return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)
