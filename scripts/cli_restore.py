"""`marketresearch restore`: an empty platform, or an empty volume, becomes what its bucket says.

What serves, or is a rollback target, is handed to model-sync itself, since an announcement of an older
version could start a rollout; then the newest versions are announced as their uploads were. The index
begins with its newest backup and takes in what came since. What is in place already stays, so this
may be run at any time. The exit codes are those of `CODES`, which the help prints.
"""

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from functools import partial
from typing import Annotated, Any, TypeVar

import httpx
import typer

from eventing.cloudevent import unwrap
from eventing.events import ModelRejected
from functions.embed_rebuild.backup import INDEXES, Backup, listing
from functions.model_sync.in_use import named_digests
from functions.registry.errors import RegistryError
from functions.registry.folders import Folders
from functions.registry.store import connect
from knative.serving.client import REVISIONS, SERVICES
from scripts.model_resync import announce, announcement, newest, published, wait
from scripts.progress import mebibytes
from scripts.target import Target, TargetError, exit_code, target

CODES = "Exit codes: 0 everything serves, 1 not everything, 2 wrong use, 3 the platform cannot be reached."
app = typer.Typer(add_completion=False)
SYNC, BUILDER, POLL_SECONDS = "model-sync", "embed-rebuild", 1.0
PROMISE = "4 h"
Say = Callable[[str], None]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Restored:
    """What came back, and how long each part took."""

    models: dict[str, str]
    index: list[dict[str, Any]]
    backups: list[str]
    models_seconds: float
    index_seconds: float
    ok: bool


@app.command(epilog=CODES)
def restore(
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="default: the kubeconfig's")
    ] = None,
    *,
    timeout: Annotated[float, typer.Option(help="seconds for each model, and the index")] = 900.0,
    as_json: Annotated[bool, typer.Option("--json", help="machine-readable output")] = False,
) -> None:
    """Bring models and index back from the bucket, and wait until they serve."""
    say: Say = (lambda _: None) if as_json else print
    try:
        done = asyncio.run(_restore(namespace, timeout, say))
    except (TargetError, RegistryError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(exit_code(error)) from error
    if as_json:
        print(json.dumps(asdict(done)))
    seconds = done.models_seconds + done.index_seconds
    say(f"{'restored' if done.ok else 'not all restored'} in {seconds:.0f} s (promised: {PROMISE})")
    raise typer.Exit(int(not done.ok))


async def _restore(namespace: str | None, seconds: float, say: Say) -> Restored:
    async with target(namespace) as where:
        say(where.endpoint)
        begun = time.monotonic()
        await _bring_what_is_named(where, seconds, say)
        ok, models = await _models(where, seconds, say)
        between = time.monotonic()
        backups = await asyncio.to_thread(_backups, where)
        for backup in backups:
            size = mebibytes(sum(entry.size for entry in backup.files))
            say(
                f"newest backup: {backup.generation}, {size}, of {backup.made_at:%Y-%m-%d %H:%M} UTC"
            )
        index = await _index(where, seconds)
        for one in index:
            words = f"{one['documents']} documents, {one['chunks']} chunks"
            say(f"index: {one['generation']}, {words}")
        names = [backup.generation for backup in backups]
        ended = time.monotonic()
        return Restored(models, index, names, between - begun, ended - between, ok)


async def _bring_what_is_named(where: Target, seconds: float, say: Say) -> None:
    digests = named_digests(await where.kube.list(SERVICES), await where.kube.list(REVISIONS))
    for manifest in await published(where):
        if manifest.digest in digests:
            say(f"{manifest.folder}, which a Service names")
            event = announcement(where.store.bucket, manifest, requested=True)
            reply = await _patiently(partial(where.tell, SYNC, event), seconds)
            if reply and isinstance(found := unwrap(reply), ModelRejected):
                raise TargetError(f"{manifest.folder} was rejected: {found.reason}")


async def _models(where: Target, seconds: float, say: Say) -> tuple[bool, dict[str, str]]:
    manifests = await newest(where)
    for manifest in manifests:
        say(f"announcing {where.store.uri(manifest.folder)}")
        await announce(where, manifest, requested=False)
    endings = [await wait(where, manifest, seconds, say) for manifest in manifests]
    settled = all(ending.ok or "refused" in ending.why for ending in endings)
    return settled, {ending.folder: ending.why for ending in endings}


def _backups(where: Target) -> list[Backup]:
    """Return the newest backup of each embedder's index."""
    folders = Folders(connect("s3", os.environ), where.store.bucket, INDEXES)
    newest = {backup.embedder: backup for backup in reversed(listing(folders))}
    return list(newest.values())


async def _index(where: Target, seconds: float) -> list[dict[str, Any]]:
    """Let the index be restored and brought up to date; it waits for its embedder."""
    await _patiently(partial(where.call, BUILDER, "POST", "/v1/rebuild"), seconds)
    found: list[dict[str, Any]] = (await where.call(BUILDER, "GET", "/v1/index"))["generations"]
    return found


async def _patiently(ask: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Ask until there is an answer: who is asked may be starting, busy, or waiting for a model."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await ask()
        except (TargetError, httpx.TransportError):
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(POLL_SECONDS)
