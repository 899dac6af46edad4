"""model-sync as a process: what a Broker gets over HTTP, and what readiness means."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from eventing.cloudevent import from_http, to_http, unwrap
from eventing.events import ModelRejected, ModelSynced
from functions.registry.publish import publish
from knative.local.processes import server_port
from tests.support.s3 import BUCKET, created, release_folder, s3_server

COMMANDS = {
    "runtime": [sys.executable, "-m", "functions.runtime", "functions.model_sync.app:function"],
    "functions-framework": [
        "functions-framework", "--asgi", "--target", "main",
        "--source", "functions/model_sync/main.py", "--host", "127.0.0.1",
    ],
}  # fmt: skip


@pytest.fixture(params=COMMANDS)
def broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client that talks to the function as a Broker does."""
    with s3_server(tmp_path / "s3") as server:
        server.client("s3").create_bucket(Bucket=BUCKET)
        publish(release_folder(tmp_path), BUCKET, server.client("s3"))
        port = server_port()
        env = server.environ() | {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": ".",
            "BUCKET": BUCKET,
            "MODEL_CACHE_DIR": str(tmp_path / "cache"),
            "PORT": str(port),
            "METRICS_PORT": "0",
        }
        log = (tmp_path / "log").open("wb")
        process = subprocess.Popen(COMMANDS[request.param], env=env, stdout=log, stderr=log)
        with log, httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            wait_until_ready(client, tmp_path / "log")
            yield client
            process.terminate()
            assert process.wait(20) in {0, -15}


def wait_until_ready(client: httpx.Client, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if client.get("/health/ready").status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise AssertionError(log.read_text())


def test_every_outcome_has_its_answer(broker: httpx.Client) -> None:
    headers, body = to_http(created("ner-v1.0.0"))
    synced = broker.post("/", headers=headers | {"prefer": "reply"}, content=body)
    assert synced.status_code == 200
    payload = unwrap(from_http(dict(synced.headers), synced.content))
    assert isinstance(payload, ModelSynced)
    again = broker.post("/", headers=headers | {"prefer": "reply"}, content=body)
    assert again.headers["ce-id"] == synced.headers["ce-id"]
    assert broker.post("/", headers=headers, content=body).status_code == 202

    headers, body = to_http(created("ner-v9.0.0"))
    rejected = broker.post("/", headers=headers | {"prefer": "reply"}, content=body)
    assert rejected.status_code == 200
    payload = unwrap(from_http(dict(rejected.headers), rejected.content))
    assert isinstance(payload, ModelRejected)
    assert payload.code == "manifest_missing"

    malformed = broker.post("/", content=b"hello")
    assert malformed.status_code == 400
    assert json.loads(malformed.content)["error"]["code"] == "bad_request"
