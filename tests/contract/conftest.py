"""What several contract tests share."""

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.kube_api import KubeApi, kube_api

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
