"""The suite's own rule: what shares a file, or a platform, runs in one worker."""

import os

import pytest


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="one process runs all tests")
def test_a_file_stays_with_one_worker(request: pytest.FixtureRequest) -> None:
    """pytest-xdist knows a group by what it adds to the name, and not every pytest lets it."""
    assert request.node.nodeid.endswith(f"@{__file__}")
