"""`marketresearch models`: what is published, whether it is sound, and sending it round again.

The exit codes are those of `CODES`, which the help prints.
"""

import asyncio
import json
import os
from collections.abc import Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from functions.model_sync.in_use import named_digests
from functions.model_sync.transfer import Transfer
from functions.model_sync.transfer import verify as verify_release
from functions.registry.cache import ModelCache
from functions.registry.cache import Release as Cached
from functions.registry.errors import RegistryError
from functions.registry.manifest import Manifest, split_folder
from functions.registry.retention import Known, pinned_digests, to_prune
from functions.registry.sources import open_release
from knative.serving.client import REVISIONS, SERVICES
from scripts.environment import data_folder, load_platform_env
from scripts.model_records import Record, records, serving
from scripts.model_resync import Ending, announce, newest, published, requested_version, wait
from scripts.models_view import lines
from scripts.target import Target, TargetError, exit_code, target

CODES = (
    "Exit codes: 0 fine, 1 refused, damaged, missing or not in time, 2 wrong use, "
    "3 the platform or the bucket does not answer."
)
app = typer.Typer(
    help="Published models.", no_args_is_help=True, add_completion=False, epilog=CODES
)

Namespace = Annotated[
    str | None, typer.Option("--namespace", "-n", help="default: the kubeconfig's")
]
Json = Annotated[bool, typer.Option("--json", help="machine-readable output")]
Cache = Annotated[Path | None, typer.Option(help="the model cache; default: the local platform's")]
Release = Annotated[str, typer.Argument(help="a published version, such as ner-v1.0.0")]
T = TypeVar("T")


@app.command("list")
def list_models(namespace: Namespace = None, *, as_json: Json = False) -> None:
    """List every published version: golden F1, error of its prepared form, where it serves, what is kept."""
    found = _run(_records(namespace))
    if as_json:
        print(json.dumps([asdict(record) for record in found]))
        return
    print("\n".join(lines(found)))


@app.command()
def pin(release: Release, namespace: Namespace = None, *, as_json: Json = False) -> None:
    """Keep a version: it is never pruned, in the bucket or in a model cache."""
    _run(_pin(namespace, release))
    print(json.dumps({"pinned": release}) if as_json else f"{release} is pinned")


@app.command()
def unpin(release: Release, namespace: Namespace = None, *, as_json: Json = False) -> None:
    """Let go of a pinned version: it is pruned like any other."""
    _run(_unpin(namespace, release))
    print(json.dumps({"unpinned": release}) if as_json else f"{release} is not pinned")


@app.command()
def load(
    uri: Annotated[str, typer.Argument(help="s3://, gs://, file:// or hf://org/name@revision")],
    cache: Cache = None,
    *,
    as_json: Json = False,
) -> None:
    """Bring one release into a model cache, verified; its entry is the same from every source."""
    release = _run(_load(uri, _cache_root(cache)))
    if as_json:
        print(json.dumps({"digest": release.digest, "path": str(release.path)}))
    else:
        print(f"{release.manifest.folder} {release.digest} is in {release.path}")


@app.command()
def verify(
    cache: Cache = None,
    *,
    as_json: Json = False,
) -> None:
    """Hash every file of every release in a model cache; exit 1 when one is damaged."""
    root = _cache_root(cache)
    if not root.is_dir():
        typer.echo(f"error: there is no model cache at {root}", err=True)
        raise typer.Exit(1)
    releases = ModelCache(root).releases()
    damaged = {release.manifest.folder: verify_release(release) for release in releases}
    if as_json:
        print(json.dumps({"cache": str(root), "damaged": damaged}))
    else:
        for folder, paths in damaged.items():
            print(f"{folder}: {'damaged: ' + ', '.join(paths) if paths else 'as published'}")
        print(f"{len(damaged)} releases in {root}")
    raise typer.Exit(int(any(damaged.values())))


@app.command()
def resync(
    namespace: Namespace = None,
    *,
    release: Annotated[
        str | None, typer.Option(help="one version by name, such as ner-v1.0.0, even an older one")
    ] = None,
    waiting: Annotated[bool, typer.Option("--wait", help="until it serves or is refused")] = False,
    timeout: Annotated[float, typer.Option(help="seconds to wait for each model")] = 900.0,
    as_json: Json = False,
) -> None:
    """Announce the newest version of every model again, as its upload did; exit 1 on a refusal."""
    say = (lambda _: None) if as_json else print
    endings = _run(_resync(namespace, release, timeout if waiting else 0.0, say))
    if as_json:
        print(json.dumps([asdict(ending) for ending in endings]))
    for ending in endings:
        say(f"{'✓' if ending.ok else '✗'} {ending.folder}: {ending.why}")
    raise typer.Exit(int(not all(ending.ok for ending in endings)))


@app.command()
def prune(
    namespace: Namespace = None,
    *,
    yes: Annotated[bool, typer.Option("--yes", help="delete; without it, only say what")] = False,
    as_json: Json = False,
) -> None:
    """Delete from the bucket what is older than the newest three versions and not in use."""
    dropped = _run(_prune(namespace, delete=yes))
    if as_json:
        print(json.dumps({"deleted": yes, "releases": dropped}))
        return
    for folder in dropped:
        print(f"{'deleted' if yes else 'would delete'} {folder}")
    print(f"{len(dropped)} releases" + ("" if yes or not dropped else "; --yes deletes them"))


def _cache_root(cache: Path | None) -> Path:
    return cache or Path(os.environ.get("MODEL_CACHE_DIR", data_folder() / "volumes" / "models"))


async def _load(uri: str, root: Path) -> Cached:
    load_platform_env(os.environ)

    def load_now() -> Cached:
        with open_release(uri, os.environ, datetime.now(UTC)) as (store, manifest):
            return Transfer(store, ModelCache(root)).run(manifest)

    return await asyncio.to_thread(load_now)


async def _pin(namespace: str | None, release: str) -> None:
    async with target(namespace) as where:
        await requested_version(where, release)  # a pin of nothing would be a typing error
        await asyncio.to_thread(where.store.pin, release)


async def _unpin(namespace: str | None, release: str) -> None:
    split_folder(release)
    async with target(namespace) as where:
        await asyncio.to_thread(where.store.unpin, release)


async def _prune(namespace: str | None, *, delete: bool) -> list[str]:
    async with target(namespace) as where:
        manifests = await published(where)
        in_use = named_digests(await where.kube.list(SERVICES), await where.kube.list(REVISIONS))
        known = [Known(item.name, item.version, item.digest) for item in manifests]
        pinned = pinned_digests(known, await asyncio.to_thread(where.store.pins))
        folders = [f"{item.name}-v{item.version}" for item in to_prune(known, in_use | pinned)]
        for folder in folders if delete else []:
            await asyncio.to_thread(where.store.remove, folder)
        return folders


async def _records(namespace: str | None) -> list[Record]:
    async with target(namespace) as where:
        manifests = await published(where)
        services = await where.kube.list(SERVICES)
        revisions = await where.kube.list(REVISIONS)
        pins = await asyncio.to_thread(where.store.pins)
        return records(manifests, [serving(service, revisions) for service in services], pins)


async def _resync(
    namespace: str | None, release: str | None, seconds: float, say: Any
) -> list[Ending]:
    async with target(namespace) as where:
        say(where.endpoint)
        chosen = [await requested_version(where, release)] if release else await newest(where)
        for manifest in chosen:
            say(f"announcing {where.store.uri(manifest.folder)}")
            await announce(where, manifest, requested=bool(release))
        return [await _ending(where, manifest, seconds, say) for manifest in chosen]


async def _ending(where: Target, manifest: Manifest, seconds: float, say: Any) -> Ending:
    if not seconds:
        return Ending(manifest.folder, manifest.service, ok=True, why="announced")
    return await wait(where, manifest, seconds, say)


def _run(work: Coroutine[Any, Any, T]) -> T:
    try:
        return asyncio.run(work)
    except (TargetError, RegistryError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(exit_code(error)) from error
