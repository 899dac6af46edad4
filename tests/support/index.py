"""Documents in an S3 server, a model cache with the real embedder, and both functions in-process."""

import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from functions.index.metrics import INDEX_SIZE
from functions.registry.cache import ModelCache
from functions.registry.publish import describe
from functions.runtime.app import build_app
from functions.runtime.function import Function


def fill_cache(root: Path, release: Path) -> str:
    """Put a release folder into the model cache under `root`, and return its digest."""
    manifest = describe(release, datetime(2025, 1, 1, tzinfo=UTC))
    cache = ModelCache(root)
    entry = cache.entry_path(manifest.digest)
    shutil.copytree(release, entry)
    record = cache.record_path(manifest.name, manifest.version)
    record.parent.mkdir(parents=True)
    for path in (entry / "model_config.json", record):
        path.write_bytes(manifest.to_bytes())
    return manifest.digest


def told_size() -> float:
    """What a scrape reads now as `embedding_index_size`."""
    (sample,) = INDEX_SIZE.labels()._child_samples()
    return float(sample.value)


@asynccontextmanager
async def serving(
    function: Function[Any], environ: Mapping[str, str]
) -> AsyncIterator[httpx.AsyncClient]:
    """Serve `function` in this process, once its first attempt to load has ended."""
    app = build_app(function, environ)
    transport = httpx.ASGITransport(app)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://test", timeout=300) as client,
    ):
        await app.state.lifecycle.settled()
        yield client
