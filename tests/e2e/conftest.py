"""What the tests of one platform that is watched share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.watched import Watched, watched


@pytest.fixture(scope="session")
def told(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """A platform's story, from first models to faults, as its watchers know it."""
    with watched(tmp_path_factory.mktemp("watched"), trained_models) as found:
        yield found
