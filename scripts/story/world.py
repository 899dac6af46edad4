"""What the story looks at and acts on: the public address, the API server, the bucket."""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from knative.serving import client as kube
from knative.serving.kubeconfig import find
from knative.serving.state import ANNOTATION, State, load
from scripts.laptop.process import ROOT, Running
from scripts.laptop.provision import BUCKET, NAMESPACE, aws_environment, client
from scripts.story.report import NotAsItShouldBe

SERVICE_LABEL = "serving.knative.dev/service"
POLL_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class World:
    """One running platform, as a user and an operator reach it."""

    running: Running
    kube: kube.KubeClient
    http: httpx.AsyncClient
    s3: Any

    async def post(self, host: str, path: str, body: object) -> httpx.Response:
        """POST JSON through the gateway to the Service that `host` names."""
        url = f"http://127.0.0.1:{self.running.gateway_port}{path}"
        return await self.http.post(url, json=body, headers={"host": host})

    async def ask(self, question: str) -> dict[str, Any]:
        """Ask the public address; anything but 200 ends the step."""
        host = f"inference.{NAMESPACE}.localhost:{self.running.gateway_port}"
        answer = await self.post(host, "/v1/research", {"question": question})
        if answer.status_code != httpx.codes.OK:
            raise NotAsItShouldBe(f"{answer.status_code} {answer.text[:300]}")
        body: dict[str, Any] = answer.json()
        return body

    async def entities(self, text: str) -> httpx.Response:
        """Ask ner, under its cluster-local name, for the entities of one text."""
        host = f"ner.{NAMESPACE}.svc.cluster.local"
        return await self.post(host, "/v1/entities", {"texts": [text]})

    async def service(self, name: str) -> dict[str, Any]:
        """Return a Knative Service."""
        return await self.kube.get(kube.SERVICES, name)

    async def rollout(self, name: str) -> State | None:
        """Return the state of a Service's rollout; None before the first."""
        annotations = (await self.service(name))["metadata"].get("annotations", {})
        return load(annotations[ANNOTATION]) if ANNOTATION in annotations else None

    async def replicas(self) -> dict[str, int]:
        """Return the number of Pods of every Service that has any."""
        pods = await self.kube.list(kube.PODS)
        labels = [pod["metadata"].get("labels", {}) for pod in pods]
        return dict(Counter(label[SERVICE_LABEL] for label in labels if SERVICE_LABEL in label))

    async def cold_start(self, name: str) -> dict[str, float]:
        """Return the phases that the newest Pod of a Service logged when it became ready."""
        pods = await self.kube.list(kube.PODS, {SERVICE_LABEL: name})
        newest = max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]))
        log = self.running.data / "logs" / f"{newest['metadata']['name']}.log"
        for line in log.read_text().splitlines():
            if '"cold_start"' in line:
                phases: dict[str, float] = json.loads(line)["cold_start"]
                return phases
        raise NotAsItShouldBe(f"{name} did not log its cold start")

    async def until(self, holds: Callable[[], Awaitable[bool]], what: str, seconds: float) -> None:
        """Poll until `holds`; raises NotAsItShouldBe after `seconds`."""
        deadline = time.monotonic() + seconds
        while not await holds():
            if time.monotonic() > deadline:
                raise NotAsItShouldBe(f"waited {seconds:.0f} s for: {what}")
            await asyncio.sleep(POLL_SECONDS)


@asynccontextmanager
async def world(running: Running) -> AsyncIterator[World]:
    """Open the clients of `running`."""
    cluster = find({"KUBECONFIG": str(running.kubeconfig)})
    api = kube.KubeClient(cluster)
    s3 = client("s3", aws_environment(running.s3_url))
    async with httpx.AsyncClient(timeout=60.0, trust_env=False) as http:
        yield World(running, api, http, s3)
    await api.close()


async def push_model(running: Running, folder: Path) -> None:
    """Publish a release as a data scientist does: by the script."""
    await _run("push_model_to_s3.py", running, "--model-path", str(folder), "--bucket", BUCKET)


async def _run(script: str, running: Running, *arguments: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        str(ROOT / "scripts" / script),
        *arguments,
        env={"MARKETRESEARCH_DATA": str(running.data), "PATH": "/usr/bin:/bin"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    if process.returncode:
        raise NotAsItShouldBe(f"{script}: {output.decode()[-500:]}")
