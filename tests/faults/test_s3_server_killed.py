"""kill -9 of the laptop's S3 while clients write: what was acknowledged is there, nothing is torn."""

import hashlib
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from tests.support.s3 import BUCKET, S3Server, s3_server

ROUNDS, WRITERS = 8, 4


@pytest.fixture
def server(tmp_path: Path) -> Iterator[S3Server]:
    with s3_server(tmp_path / "s3") as running:
        yield running


def content(key: str) -> bytes:
    return hashlib.sha512(key.encode()).digest() * 2000


def write(s3: Any, prefix: str, acknowledged: list[str]) -> None:
    """Put objects until the server is gone."""
    for number in range(100_000):
        key = f"{prefix}-{number}"
        try:
            s3.put_object(Bucket=BUCKET, Key=key, Body=content(key))
        except (BotoCoreError, ClientError):
            return
        acknowledged.append(key)


def test_what_was_acknowledged_survives_and_nothing_is_torn(server: S3Server) -> None:
    server.client("s3").create_bucket(Bucket=BUCKET)
    moments = random.Random(3)  # noqa: S311 - not a secret
    acknowledged: list[str] = []
    for round_ in range(ROUNDS):
        clients = [server.client("s3", Config(retries={"max_attempts": 0})) for _ in range(WRITERS)]
        threads = [
            threading.Thread(target=write, args=(client, f"{round_}-{number}", acknowledged))
            for number, client in enumerate(clients)
        ]
        for thread in threads:
            thread.start()
        wait_for_growth(acknowledged, moments.randrange(1, 20))
        server.kill()
        for thread in threads:
            thread.join()
        server.restart()
    s3 = server.client("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET)
    there = {item["Key"] for page in pages for item in page.get("Contents", [])}
    assert set(acknowledged) <= there
    for key in there:
        assert s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() == content(key)
    files = {path.suffix for path in (server.folder / "objects").iterdir()}
    assert files == {".data", ".json"}


def wait_for_growth(found: list[str], by: int) -> None:
    goal, deadline = len(found) + by, time.monotonic() + 30
    while len(found) < goal:
        assert time.monotonic() < deadline
        time.sleep(0.001)
