"""What several contract tests share."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from functions.model_sync.service import ModelSync
from functions.model_sync.settings import Settings
from functions.registry.cache import ModelCache
from functions.registry.store import ModelStore, connect
from tests.support import eventing as controllers
from tests.support.eventing import Eventing
from tests.support.kube_api import KubeApi, kube_api
from tests.support.s3 import BUCKET, S3Server, s3_server
from tests.support.synced import InUse

Object = dict[str, Any]


@pytest.fixture(scope="session")
def kube(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KubeApi]:
    """The Kubernetes API alone; tests keep apart by the names that they use."""
    with kube_api(tmp_path_factory.mktemp("kube")) as api:
        yield api


@pytest.fixture(scope="session")
def fresh_name() -> Callable[[], str]:
    numbers = itertools.count(1)
    return lambda: f"fn-{next(numbers)}"


@pytest.fixture
def name(fresh_name: Callable[[], str]) -> str:
    return fresh_name()


@pytest.fixture
def service(name: str) -> Object:
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"template": {"spec": {"containers": [{"image": "example.com/fn:1"}]}}},
    }


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with s3_server(tmp_path_factory.mktemp("s3")) as running:
        yield running


@pytest.fixture
def s3(server: S3Server) -> Iterator[Any]:
    client = server.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield client
    for item in client.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        client.delete_object(Bucket=BUCKET, Key=item["Key"])
    client.delete_bucket(Bucket=BUCKET)


@pytest.fixture
def sync(server: S3Server, s3: Any, tmp_path: Path) -> ModelSync:
    settings = Settings(bucket=BUCKET, cache=tmp_path / "cache", allow_pickles=False)
    store = ModelStore(connect("s3", server.environ()), BUCKET)
    return ModelSync(settings, store, ModelCache(settings.cache), InUse())


@pytest.fixture
async def eventing(tmp_path: Path) -> AsyncIterator[Eventing]:
    async with controllers.eventing(tmp_path) as running:
        yield running
