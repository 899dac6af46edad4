"""model-sync: an upload in S3 becomes a verified release in the cache."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from functions.model_sync.in_use import InUse, ask, nobody_knows
from functions.model_sync.service import ModelSync, handle
from functions.model_sync.settings import Settings
from functions.registry import signing
from functions.registry.cache import ModelCache
from functions.registry.store import ModelStore, connect
from functions.runtime.function import Function, event_route, no_warmup
from knative.serving.client import KubeClient
from knative.serving.kubeconfig import NoCluster, find


@asynccontextmanager
async def load(environ: Mapping[str, str]) -> AsyncIterator[ModelSync]:
    """Open the bucket, the cache, and the way to ask what is serving."""
    settings = Settings.from_env(environ)
    settings.cache.mkdir(parents=True, exist_ok=True)
    if settings.public_key:
        signing.require()  # better never ready than rejecting every release
    async with AsyncExitStack() as stack:
        client = connect("s3", environ)
        stack.callback(client.close)
        yield ModelSync(
            settings=settings,
            store=ModelStore(client, settings.bucket),
            cache=ModelCache(settings.cache),
            in_use=_in_use(environ, stack),
        )


def _in_use(environ: Mapping[str, str], stack: AsyncExitStack) -> InUse:
    try:
        client = KubeClient(find(environ))
    except NoCluster as reason:
        return nobody_knows(str(reason))
    stack.push_async_callback(client.close)
    return ask(client)


function: Function[ModelSync] = Function(
    name="model-sync",
    load=load,
    routes=[event_route(handle, ModelSync)],
    warm=no_warmup,
)
