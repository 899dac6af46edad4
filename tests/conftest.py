"""What several tests need: the demo models, and one whole platform with everything on it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.laptop import models
from scripts.laptop.process import ROOT, Running, platform
from scripts.laptop.provision import Contents, provision, wait_until_answering
from tests.support.knative_target import add_options

STORY = Contents(overlay=ROOT / "knative/overlays/demo")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options can only be declared here, where pytest looks before it knows which tests run."""
    add_options(parser)


@pytest.hookimpl(tryfirst=True)  # before the workers read the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests belong to one worker: those of one file, and those that share a platform."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        shared = next((name for name in ("laptop", "knative", "told") if name in names), None)
        item.add_marker(pytest.mark.xdist_group(shared or str(item.path)))


@pytest.fixture(scope="session")
def trained_models() -> Path:
    """The folder of the demo models, trained once on this machine."""
    models.ensure(ROOT / "models")
    return ROOT / "models"


@pytest.fixture(scope="session")
def laptop(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A platform of the tests' own, on free ports, with models, documents and functions."""
    data = tmp_path_factory.mktemp("laptop")
    with platform(data, 0, os.environ) as running:
        provision(running, STORY, print)
        wait_until_answering(running, STORY, print)
        yield running
