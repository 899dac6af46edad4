"""model-sync over an S3 address, and what must hold of its cache whatever happened."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from eventing.cloudevent import CloudEvent, format_time, unwrap
from eventing.events import ModelRejected, ModelSynced, Payload
from functions.model_sync.service import ARRIVAL, ModelSync, handle
from functions.model_sync.settings import Settings
from functions.model_sync.transfer import verify
from functions.registry.cache import ModelCache
from functions.registry.store import ModelStore, connect
from tests.support.s3 import BUCKET, S3Server, created


async def nothing_serves() -> frozenset[str]:
    return frozenset()


class InUse:
    """What serves, as the test says."""

    def __init__(self) -> None:
        self.digests: set[str] = set()

    async def __call__(self) -> frozenset[str]:
        return frozenset(self.digests)


def model_sync(server: S3Server, port: int, cache: Path) -> ModelSync:
    """model-sync whose bucket is reached through `port`."""
    environ = server.environ() | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
    store = ModelStore(connect("s3", environ), BUCKET)
    settings = Settings(BUCKET, cache, allow_pickles=False)
    return ModelSync(settings, store, ModelCache(cache), nothing_serves)


async def told(event: CloudEvent, sync: ModelSync) -> Payload | None:
    reply = await handle(event, sync)
    return None if reply is None else unwrap(reply)


async def rejected(event: CloudEvent, sync: ModelSync) -> str:
    """Handle an event that must be rejected; return the reason's code."""
    payload = await told(event, sync)
    assert isinstance(payload, ModelRejected), payload
    assert payload.reason
    return payload.code


async def synced(event: CloudEvent, sync: ModelSync) -> str:
    """Handle an event that must be synced; return the version."""
    payload = await told(event, sync)
    assert isinstance(payload, ModelSynced), payload
    return payload.version


def overdue(folder: str) -> CloudEvent:
    """An announcement that the Broker has tried to deliver for an hour."""
    return created(folder, **{ARRIVAL: format_time(datetime.now(UTC) - timedelta(hours=1))})


def versions(sync: ModelSync) -> list[str]:
    """The versions in the cache, each of them verified to the byte."""
    releases = sync.cache.releases()
    for release in releases:
        assert verify(release) == []
    entries = {path.name for path in sync.cache.entries.glob("*")}
    assert entries == {release.digest.removeprefix("sha256:") for release in releases}
    return [str(release.manifest.version) for release in releases]


def leftovers(sync: ModelSync) -> list[Path]:
    """Files that no release owns."""
    folders = ("staging", "locks")
    return [path for name in folders for path in (sync.cache.root / name).rglob("*.*")]
