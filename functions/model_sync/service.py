"""From an announcement to an answer: synced, rejected with a reason, or "deliver it again".

What is wrong with the release itself is an event, so that nothing retries it for ever; what may
pass is an error that the Broker retries, until it has not passed for long enough to be told.
"""

import asyncio
import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from eventing.attributes import parse_time
from eventing.cloudevent import CloudEvent, MalformedEvent, wrap
from eventing.events import ModelRejected, ModelSynced
from functions.model_sync.in_use import InUse
from functions.model_sync.plan import Course, course
from functions.model_sync.schema import Announcement, read
from functions.model_sync.settings import Settings
from functions.model_sync.transfer import Transfer
from functions.registry.cache import ModelCache
from functions.registry.cache_writer import CacheWriter, known_versions
from functions.registry.errors import (
    Busy,
    ObjectMissing,
    Refused,
    StoreUnavailable,
)
from functions.registry.manifest import Manifest, split_folder
from functions.registry.retention import pinned_digests
from functions.registry.store import ModelStore
from functions.runtime.errors import Conflict, Unavailable
from functions.runtime.metrics import counter

SOURCE = "/marketresearch/model-sync"
SYNCS = counter("model_syncs_total", "Announced releases, by what became of them", ("result",))

ARRIVAL = "knativearrivaltime"
"""The extension in which a Broker notes when it accepted an event."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ModelSync:
    """The function's resource."""

    settings: Settings
    store: ModelStore
    cache: ModelCache
    in_use: InUse


async def handle(event: CloudEvent, sync: ModelSync) -> CloudEvent | None:
    """Answer one event; None when it is of no interest."""
    announced = read(event)
    if announced is None:
        return None
    payload: ModelSynced | ModelRejected | None
    try:
        payload = await _take_in(announced, sync)
    except Refused as refusal:
        payload = ModelRejected(announced.uri, str(refusal), refusal.reason_code)
        log.warning("release refused: %s", refusal, extra={"fields": {"uri": announced.uri}})
    except Busy as busy:
        raise Conflict(f"{announced.folder} is being synced: {busy}") from busy
    except (StoreUnavailable, OSError) as fault:
        if not is_overdue(event, datetime.now(UTC), sync.settings.patience):
            raise Unavailable(f"{announced.folder} cannot be synced now: {fault}") from fault
        code = fault.reason_code if isinstance(fault, StoreUnavailable) else "disk_fault"
        payload = ModelRejected(announced.uri, f"given up for now: {fault}", code)
        log.warning("given up: %s", fault, extra={"fields": {"uri": announced.uri}})
    SYNCS.labels(result=_result(payload)).inc()
    return None if payload is None else wrap(payload, SOURCE, event, announced.folder)


def is_overdue(event: CloudEvent, now: datetime, patience: float) -> bool:
    """Whether the Broker has tried to deliver this event for longer than `patience` seconds."""
    try:
        arrived = parse_time(event.extensions[ARRIVAL])
    except (KeyError, MalformedEvent):
        return False  # sent by hand: who sent it hears of the fault
    return now - arrived > timedelta(seconds=patience)


async def _take_in(announced: Announcement, sync: ModelSync) -> ModelSynced | None:
    if announced.bucket != sync.settings.bucket:
        raise Refused(f"bucket {announced.bucket} is not ours", "foreign_bucket")
    manifest = await asyncio.to_thread(_manifest, announced, sync)
    known = await asyncio.to_thread(known_versions, sync.cache)
    chosen = course(manifest, known, requested=announced.requested)
    if chosen is Course.IGNORE:
        return None
    transfer = Transfer(sync.store, sync.cache, sync.settings.public_key)
    release = await asyncio.to_thread(transfer.run, manifest)
    await _prune(sync, release.digest)
    if chosen is Course.QUIET:
        return None
    return ModelSynced(
        name=manifest.name,
        version=str(manifest.version),
        digest=release.digest,
        uri=announced.uri,
        service=manifest.service,
        requested=announced.requested,
    )


def _manifest(announced: Announcement, sync: ModelSync) -> Manifest:
    split_folder(announced.folder)
    try:
        return sync.store.manifest(announced.folder, allow_pickles=sync.settings.allow_pickles)
    except ObjectMissing as error:
        raise Refused(f"there is no manifest: {error}", "manifest_missing") from error


async def _prune(sync: ModelSync, arrived: str) -> None:
    try:
        in_use = await sync.in_use()
        pins = await asyncio.to_thread(sync.store.pins)
    except (Unavailable, StoreUnavailable) as fault:
        # Nobody can say what must stay, so nothing is dropped: the next sync tries again.
        log.warning("nothing is pruned: %s", fault)
        return
    known = await asyncio.to_thread(known_versions, sync.cache)
    spared = in_use | {arrived} | pinned_digests(known, pins)
    for item in await asyncio.to_thread(CacheWriter(sync.cache).prune, spared):
        log.info("pruned %s %s %s", item.name, item.version, item.digest)


def _result(payload: ModelSynced | ModelRejected | None) -> str:
    if payload is None:
        return "not_announced"
    return "synced" if isinstance(payload, ModelSynced) else payload.code
