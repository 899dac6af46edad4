"""Repair by listing: announce the newest published version of every model again, and wait.

An announcement is the very event that an upload causes. Whatever is in place already answers it by
doing nothing, so it may be sent at any time.
"""

import asyncio
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from eventing.cloudevent import CloudEvent
from functions.registry.errors import Refused
from functions.registry.manifest import Manifest, split_folder
from functions.registry.paths import MANIFEST
from functions.registry.store import MODELS
from knative.serving.client import REVISIONS, SERVICES
from knative.serving.errors import KubeError
from scripts.model_records import Serving, serving
from scripts.target import Target

POLL_SECONDS = 1.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Ending:
    """How it ended for one model."""

    folder: str
    service: str
    ok: bool
    why: str


async def newest(target: Target) -> list[Manifest]:
    """Return the manifest of the newest version that can be read, for every model in the bucket."""
    latest = {one.name: one for one in await published(target)}  # ascending: the last one wins
    return list(latest.values())


async def published(target: Target) -> list[Manifest]:
    """Read what is published; a manifest that cannot be read hides no other release."""
    found = []
    for item in await asyncio.to_thread(target.store.releases):
        try:
            read = await asyncio.to_thread(target.store.manifest, item.folder, allow_pickles=True)
        except Refused as error:
            print(f"{item.folder} is left out: {error}", file=sys.stderr)
        else:
            found.append(read)
    return found


def announcement(bucket: str, manifest: Manifest, *, requested: bool) -> CloudEvent:
    """Return what the upload of this release's manifest would have sent."""
    return CloudEvent(
        id=f"resync-{uuid.uuid4().hex}",
        source=f"aws:s3.us-east-1.{bucket}",
        type="com.amazonaws.s3.ObjectCreated:Put",
        subject=f"{MODELS}/{manifest.folder}/{MANIFEST}",
        time=datetime.now(UTC),
        data={"s3": {"bucket": {"name": bucket}}},
        extensions={"requested": "true"} if requested else {},
    )


async def announce(target: Target, manifest: Manifest, *, requested: bool) -> None:
    """Let the Broker tell everybody."""
    await target.send(announcement(target.store.bucket, manifest, requested=requested))


async def requested_version(target: Target, folder: str) -> Manifest:
    """Return the manifest of one version that a person named, `ner-v1.0.0`."""
    split_folder(folder)
    return await asyncio.to_thread(target.store.manifest, folder, allow_pickles=True)


async def wait(target: Target, manifest: Manifest, seconds: float, say: Say) -> Ending:
    """Wait until the model's Service runs it, or has decided not to."""
    if not manifest.service:
        return Ending(manifest.folder, "", ok=True, why="names no Service, so nothing rolls out")
    deadline = time.monotonic() + seconds
    seen = ""
    while True:
        found = await read_serving(target, manifest.service)
        ending = _judge(manifest, found)
        now = _words(found)
        if now != seen:
            say(f"{manifest.service}: {now}")
            seen = now
        if ending:
            return ending
        if time.monotonic() > deadline:
            return Ending(manifest.folder, manifest.service, ok=False, why=f"not in time: {now}")
        await asyncio.sleep(POLL_SECONDS)


async def read_serving(target: Target, service: str) -> Serving | None:
    """Read what a Service serves; None when there is no such Service."""
    labels = {"serving.knative.dev/service": service}
    try:
        found = await target.kube.get(SERVICES, service)
    except KubeError as error:
        if error.reason == "NotFound":
            return None
        raise
    return serving(found, await target.kube.list(REVISIONS, labels))


def _judge(manifest: Manifest, found: Serving | None) -> Ending | None:
    folder, service = manifest.folder, manifest.service
    if found is None:
        return Ending(folder, service, ok=False, why=f"there is no Service {service}")
    if found.settled_on(manifest.digest):
        return Ending(folder, service, ok=True, why="serves all traffic")
    if why := found.ended_without(manifest.digest):
        return Ending(folder, service, ok=False, why=why)
    return None


def _words(found: Serving | None) -> str:
    if found is None:
        return "missing"
    if found.state is None:
        return "waiting for its first rollout"
    return f"{found.state.phase}, {found.state.reason or 'nothing to say yet'}"
