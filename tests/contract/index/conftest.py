"""The corpus in an S3 server, and both functions over it: with Chroma in a folder, then on a server."""

import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from functions.embed_rebuild.app import function as embed_rebuild
from functions.embed_rebuild.rebuild import VECTORS_FILE
from functions.inference.app import function as inference
from scripts import make_embedder
from scripts.push_documents import push_documents
from tests.support.chroma import chroma_server
from tests.support.index import fill_cache, serving
from tests.support.s3 import BUCKET, S3Server, s3_server

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", params=["embedded", "server"])
def chroma_url(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where Chroma is: everything below is asked of an index in a folder, then of one on a server."""
    if request.param == "embedded":
        yield ""
        return
    with chroma_server(tmp_path_factory.mktemp("chroma") / "data") as running:
        yield running.url


@pytest.fixture(scope="module")
def embedded_before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was embedded for the first home and need not be for the second."""
    return tmp_path_factory.mktemp("vectors") / VECTORS_FILE


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, chroma_url: str) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        running.client("s3").create_bucket(Bucket=BUCKET)
        push_documents(running.client("s3"), BUCKET, ROOT / "scripts/corpus")
        yield running


@pytest.fixture(scope="module")
def cached(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A model cache with the embedder, and its digest."""
    root = tmp_path_factory.mktemp("models")
    release = ROOT / "models" / "embedder-v1.0.0"
    if not (release / "release.json").exists():
        release = root / "made" / "embedder-v1.0.0"
        assert make_embedder.make(release) >= make_embedder.FLOOR
    return root / "cache", fill_cache(root / "cache", release)


@pytest.fixture(scope="module")
def environ(
    server: S3Server,
    cached: tuple[Path, str],
    chroma_url: str,
    embedded_before: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Mapping[str, str]]:
    root, digest = cached
    index = tmp_path_factory.mktemp("index")
    if embedded_before.exists():
        shutil.copy(embedded_before, index)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.environ().items():
            patch.setenv(name, value)
        yield {
            "BUCKET": BUCKET,
            "INDEX_DIR": str(index),
            "MODEL_CACHE_DIR": str(root),
            "MODEL_DIGEST": digest,
            "CHROMA_URL": chroma_url,
            "INDEX_SEARCH": "chroma" if chroma_url else "auto",
        }


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def rebuilds(environ: Mapping[str, str]) -> AsyncIterator[httpx.AsyncClient]:
    async with serving(embed_rebuild, environ) as client:
        yield client


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def answers(
    environ: Mapping[str, str], rebuilds: httpx.AsyncClient, embedded_before: Path
) -> AsyncIterator[httpx.AsyncClient]:
    """`inference`, over an index of the whole corpus."""
    (await rebuilds.post("/v1/rebuild")).raise_for_status()
    shutil.copy(Path(environ["INDEX_DIR"]) / VECTORS_FILE, embedded_before)
    async with serving(inference, environ) as client:
        yield client
