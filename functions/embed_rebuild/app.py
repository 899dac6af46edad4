"""`embed-rebuild`: any event that reaches it, and `POST /v1/rebuild`, ask for a rebuild.

Which events those are is the Triggers' business: documents that came or went, the daily tick, a
synced embedder, a request. The rebuild reads the bucket's state, so what an event says is no matter.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from eventing.cloudevent import CloudEvent, wrap
from eventing.events import IndexRebuilt
from functions.embed_rebuild import rollback
from functions.embed_rebuild.backup import INDEXES, Backups
from functions.embed_rebuild.coalesce import Coalescer
from functions.embed_rebuild.corpus import Bucket
from functions.embed_rebuild.rebuild import rebuild
from functions.embed_rebuild.settings import Settings
from functions.index.embedder import Embedder, open_embedder
from functions.index.homes import home
from functions.index.metrics import INDEX_CHECKED, tell_size
from functions.index.store import Busy, IndexStore, Superseded
from functions.registry.cache import ModelCache, Release
from functions.registry.errors import RegistryError, ReleaseMissing
from functions.registry.folders import Folders
from functions.registry.store import connect
from functions.runtime.errors import Conflict, Unavailable
from functions.runtime.function import Function, event_route, loaded, no_warmup

log = logging.getLogger(__name__)
EMBEDDER = "embedder"
SOURCE = "/functions/embed-rebuild"
RETRY_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Builder:
    """What a rebuild needs; embedders stay open between rebuilds."""

    settings: Settings
    store: IndexStore
    bucket: Bucket
    embedders: dict[str, Embedder]
    backups: Backups

    def run(self) -> list[IndexRebuilt]:
        """Rebuild for each embedder in use, the newest last; blocking."""
        reports = [self._rebuild(release) for release in self._targets()]
        return [report for report in reports if report is not None]

    def back_up(self) -> list[str]:
        """Put the index of each embedder into the bucket now; return the generations; blocking."""
        now = datetime.now(UTC)
        made = [self.backups.save(self.store, one, now) for one in self.store.embedders()]
        return [backup.generation for backup in made if backup]

    def _rebuild(self, release: Release) -> IndexRebuilt | None:
        self.backups.restore(self.store, release.digest, datetime.now(UTC))
        report = rebuild(self.store, self.bucket, self._open(release), datetime.now(UTC))
        self.backups.keep(self.store, release.digest, datetime.now(UTC))
        return report

    def _targets(self) -> list[Release]:
        cache = ModelCache(self.settings.model_cache_dir)
        if self.settings.embedder_digest:
            return [_required(cache, self.settings.embedder_digest)]
        newest = cache.newest(EMBEDDER)
        if newest is None:
            raise Unavailable("no embedder is in the model cache yet", retry_after=RETRY_SECONDS)
        # A Revision that still serves with an older embedder must see new documents too.
        indexed = set(self.store.embedders()) - {newest.digest}
        older = [release for release in cache.releases() if release.digest in indexed]
        return [*older, newest]

    def _open(self, release: Release) -> Embedder:
        if release.digest not in self.embedders:
            version = str(release.manifest.version)
            self.embedders[release.digest] = open_embedder(
                release.path, release.digest, version, self.settings.threads
            )
        return self.embedders[release.digest]


@dataclass(frozen=True, slots=True)
class Rebuilds:
    """The function's resource."""

    builder: Builder
    coalescer: Coalescer

    async def request(self) -> tuple[list[IndexRebuilt], bool]:
        """Ask for a rebuild and wait for it; Conflict (409) while another process builds."""
        try:
            done = await self.coalescer.request()
        except (Busy, Superseded) as error:
            raise Conflict(str(error), retry_after=RETRY_SECONDS) from error
        INDEX_CHECKED.labels().set(time.time())
        return done


def _required(cache: ModelCache, digest: str) -> Release:
    try:
        return cache.release(digest)
    except ReleaseMissing as error:
        raise Unavailable(str(error), retry_after=RETRY_SECONDS) from error


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[Rebuilds]:
    """Open the bucket's client; an embedder is opened by the first rebuild that needs it."""
    settings = Settings.from_env(environ)
    bucket = await asyncio.to_thread(Bucket, settings.bucket, settings.prefix)
    store = IndexStore(settings.index_dir, home(settings.chroma_url))
    tell_size(store.size)
    builder = Builder(settings, store, bucket, {}, _backups(settings, environ))
    yield Rebuilds(builder, Coalescer(builder.run))


def _backups(settings: Settings, environ: Mapping[str, str]) -> Backups:
    every = timedelta(seconds=settings.backup_seconds)
    return Backups(Folders(connect("s3", environ), settings.bucket, INDEXES), every)


async def handle(event: CloudEvent, rebuilds: Rebuilds) -> CloudEvent | None:
    """Rebuild, and reply once per rebuild, to the event that caused it."""
    reports, caused = await rebuilds.request()
    if not reports or not caused:
        return None
    return wrap(reports[-1], SOURCE, cause=event, subject=reports[-1].generation)


async def post_rebuild(request: Request) -> Response:
    """`POST /v1/rebuild`: rebuild now, and say what came of it."""
    reports, _ = await loaded(request, Rebuilds).request()
    return JSONResponse({"rebuilt": [asdict(report) for report in reports]})


async def post_rollback(request: Request) -> Response:
    """`POST /v1/rollback`: go back to a generation that is kept."""
    wanted = rollback.parse(await request.body())
    store = loaded(request, Rebuilds).builder.store
    try:
        return JSONResponse(await asyncio.to_thread(rollback.roll_back, store, wanted))
    except Superseded as error:
        raise Conflict(str(error), retry_after=RETRY_SECONDS) from error


async def post_backup(request: Request) -> Response:
    """`POST /v1/backup`: put the current generations into the bucket now, whenever the last ones were."""
    builder = loaded(request, Rebuilds).builder
    try:
        return JSONResponse({"backed_up": await asyncio.to_thread(builder.back_up)})
    except RegistryError as error:
        raise Unavailable(str(error), retry_after=RETRY_SECONDS) from error


async def get_index(request: Request) -> Response:
    """`GET /v1/index`: the current generation of each embedder with what was skipped and why, and all kept."""
    store = loaded(request, Rebuilds).builder.store
    manifests = [store.manifest(embedder) for embedder in store.embedders()]
    current = [asdict(found) for found in manifests if found]
    return JSONResponse({"generations": current, "kept": rollback.kept(store)})


function = Function(
    name="embed-rebuild",
    load=load,
    routes=[
        event_route(handle, Rebuilds),
        Route("/v1/rebuild", post_rebuild, methods=["POST"]),
        Route("/v1/rollback", post_rollback, methods=["POST"]),
        Route("/v1/backup", post_backup, methods=["POST"]),
        Route("/v1/index", get_index),
    ],
    warm=no_warmup,
)
