"""model-sync: an upload in S3 becomes a verified release in the cache."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from functions.model_sync.service import ModelSync, handle
from functions.model_sync.settings import Settings
from functions.registry.cache import ModelCache
from functions.registry.store import ModelStore, connect
from functions.runtime.function import Function, event_route, no_warmup


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[ModelSync]:
    """Open the bucket and the cache."""
    settings = Settings.from_env(environ)
    settings.cache.mkdir(parents=True, exist_ok=True)
    client = connect("s3", environ)
    try:
        yield ModelSync(
            settings=settings,
            store=ModelStore(client, settings.bucket),
            cache=ModelCache(settings.cache),
            in_use=nothing_in_use,
        )
    finally:
        client.close()


async def nothing_in_use() -> frozenset[str]:
    """Pins alone protect a version: the three newest stay in any case."""
    return frozenset()


function: Function[ModelSync] = Function(
    name="model-sync",
    load=load,
    routes=[event_route(handle, ModelSync)],
    warm=no_warmup,
)
