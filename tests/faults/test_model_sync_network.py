"""A wire that is cut again and again: every delivery gets further, and the end is whole."""

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from eventing.cloudevent import unwrap
from eventing.events import ModelSynced
from functions.model_sync.in_use import nobody_knows
from functions.model_sync.service import ModelSync, handle
from functions.model_sync.settings import Settings
from functions.model_sync.transfer import verify
from functions.registry.cache import ModelCache
from functions.registry.publish import publish
from functions.registry.store import ModelStore, connect
from functions.runtime.errors import Unavailable
from tests.support.s3 import BUCKET, S3Server, created, release_folder, s3_server

PART, EVERY, BUDGET, DELIVERIES = 20_000, 4, 5_000, 200
UNLIMITED = 1 << 40


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as running:
        yield running


@asynccontextmanager
async def cutting_proxy(port: int) -> AsyncIterator[tuple[int, list[int]]]:
    """A proxy that cuts every EVERYth connection after BUDGET bytes; yields its port and its cuts."""
    cuts: list[int] = []
    numbers = itertools.count(1)

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, budget: int) -> None:
        with suppress(ConnectionError):
            while data := await source.read(4096):
                budget -= len(data)
                if budget < 0:
                    cuts.append(1)
                    break
                sink.write(data)
                await sink.drain()
        sink.transport.abort()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection("127.0.0.1", port)
        budget = UNLIMITED if next(numbers) % EVERY else BUDGET
        pumps = (pump(upstream, writer, budget), pump(reader, downstream, UNLIMITED))
        await asyncio.gather(*pumps)

    proxy = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield proxy.sockets[0].getsockname()[1], cuts
    finally:
        proxy.close()


async def test_every_delivery_gets_further_until_the_release_is_whole(
    server: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("functions.registry.folders.PART", PART)
    client = server.client("s3")
    await asyncio.to_thread(client.create_bucket, Bucket=BUCKET)
    weights = hashlib.sha512(b"seed").digest() * 20_000
    folder = release_folder(tmp_path, weights=weights)
    await asyncio.to_thread(publish, folder, BUCKET, client)
    cache = ModelCache(tmp_path / "cache")
    async with cutting_proxy(server.port) as (port, cuts):
        environ = server.environ() | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}
        store = ModelStore(connect("s3", environ), BUCKET)
        sync = ModelSync(
            Settings(BUCKET, cache.root, allow_pickles=False), store, cache, nobody_knows("none")
        )
        reply = None
        for _ in range(DELIVERIES):
            assert reply is None
            with suppress(Unavailable):
                reply = await handle(created("ner-v1.0.0"), sync)
                break
            assert cache.releases() == []
    assert len(cuts) > 1
    assert reply is not None
    assert isinstance(unwrap(reply), ModelSynced)
    (release,) = cache.releases()
    assert verify(release) == []
    assert [path for path in (cache.root / "staging").rglob("*") if path.is_file()] == []
