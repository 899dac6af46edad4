"""Bad input gets its own clear error, changes nothing, and the system answers on."""

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from scripts.laptop import kubectl
from scripts.laptop.process import Running
from scripts.laptop.provision import BUCKET, NAMESPACE, QUESTION, ask, aws_environment, client

pytestmark = pytest.mark.timeout(600)
PUBLIC = f"inference.{NAMESPACE}.localhost"
BROKER = "broker-ingress.knative-eventing.svc.cluster.local"


@pytest.fixture
def bad_releases(laptop: Running) -> Iterator[Any]:
    """An S3 client; what was uploaded as a version 9.9.x goes away: others use this bucket too."""
    s3 = client("s3", aws_environment(laptop.s3_url))
    yield s3
    found = s3.list_objects_v2(Bucket=BUCKET, Prefix="models/ner-v9.9.").get("Contents", [])
    for item in found:
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])


@pytest.fixture
def http(laptop: Running) -> Iterator[httpx.Client]:
    base = f"http://127.0.0.1:{laptop.gateway_port}"
    with httpx.Client(base_url=base, timeout=60, trust_env=False) as client_:
        yield client_


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{not json", 400, "bad_request"),
        (b"[]", 400, "bad_request"),
        (b"{}", 422, "invalid"),
        (b'{"question": ""}', 422, "invalid"),
        (b'{"question": "   "}', 422, "invalid"),
        (b'{"question": 7}', 422, "invalid"),
        (b'{"question": "why?", "top_k": -1}', 422, "invalid"),
        (json.dumps({"question": "x" * (1 << 20)}).encode(), 413, "too_large"),
    ],
    ids=["not-json", "a-list", "no-question", "empty", "blank", "a-number", "top_k", "1-MB"],
)
def test_a_bad_question_is_refused_with_its_status(
    http: httpx.Client, body: bytes, status: int, code: str
) -> None:
    headers = {"host": PUBLIC, "content-type": "application/json"}
    answer = http.post("/v1/research", content=body, headers=headers)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code), error
    assert error["message"]
    assert error["request_id"]
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nowhere", 404), ("GET", "/v1/research", 405), ("DELETE", "/v1/research", 405)],
)
def test_an_unknown_path_and_a_wrong_method(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    answer = http.request(method, path, headers={"host": PUBLIC})
    assert answer.status_code == status
    assert answer.json()["error"]["message"]


def test_an_unknown_host_is_404(http: httpx.Client) -> None:
    assert http.get("/", headers={"host": "nobody.marketresearch.localhost"}).status_code == 404


def test_an_internal_function_has_no_public_address(http: httpx.Client) -> None:
    host = f"ner.{NAMESPACE}.localhost"
    assert http.get("/health", headers={"host": host}).status_code == 404


def test_what_is_not_a_cloudevent_is_400_and_goes_nowhere(http: httpx.Client) -> None:
    path = f"/{NAMESPACE}/default"
    answer = http.post(path, content=b"hello", headers={"host": BROKER})
    assert answer.status_code == 400


def _models(laptop: Running) -> set[str]:
    """Return what the cache holds: one entry a digest."""
    return {entry.name for entry in (laptop.data / "volumes/models/entries").iterdir()}


def _manifest(version: str, path: str, sha256: str) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": "ner",
        "version": version,
        "task": "token-classification",
        "framework": "transformers",
        "service": "ner",
        "labels": {},
        "files": [{"path": path, "size": 5, "sha256": sha256}],
        "digest": "sha256:" + "0" * 64,
        "golden": path,
        "metrics": {},
        "created_at": "2026-01-01T00:00:00Z",
    }


def _upload_and_wait_for_the_refusal(laptop: Running, version: str, manifest: Any) -> None:
    """Put a manifest, and return once model-sync has said that it refuses this very one."""
    s3 = client("s3", aws_environment(laptop.s3_url))
    key = f"models/ner-v{version}/model_config.json"
    s3.put_object(Bucket=BUCKET, Key=key, Body=json.dumps(manifest).encode())
    deadline = time.monotonic() + 60
    while not any(_refuses(log, version) for log in laptop.data.glob("logs/model-sync-*.log")):
        assert time.monotonic() < deadline, "no refusal was logged"
        time.sleep(0.2)


def _refuses(log: Path, version: str) -> bool:
    lines = log.read_text().splitlines()
    return any("release refused" in line and f"ner-v{version}" in line for line in lines)


@pytest.mark.parametrize(
    ("version", "path", "sha256"),
    [("9.9.9", "../../escaped", "0" * 64), ("9.9.8", "model.safetensors", "f" * 64)],
    ids=["path-traversal", "wrong-sha256"],
)
def test_a_bad_manifest_changes_nothing(
    laptop: Running, bad_releases: Any, version: str, path: str, sha256: str
) -> None:
    before, revisions = _models(laptop), _revisions(laptop)
    bad_releases.put_object(
        Bucket=BUCKET, Key=f"models/ner-v{version}/model.safetensors", Body=b"12345"
    )
    _upload_and_wait_for_the_refusal(laptop, version, _manifest(version, path, sha256))
    assert _models(laptop) == before
    assert _revisions(laptop) == revisions
    assert not list(Path(laptop.data).rglob("escaped"))


def test_half_an_upload_starts_nothing(laptop: Running, bad_releases: Any) -> None:
    before = _models(laptop)
    bad_releases.put_object(Bucket=BUCKET, Key="models/ner-v9.9.7/model.safetensors", Body=b"12345")
    # Notifications of one queue arrive after each other: once this is refused, that was seen too.
    _upload_and_wait_for_the_refusal(laptop, "9.9.6", {"not": "a manifest"})
    assert _models(laptop) == before


def _revisions(laptop: Running) -> set[str]:
    items = kubectl.get(laptop.kubeconfig, "rev")["items"]
    return {item["metadata"]["name"] for item in items if item["metadata"]["name"][:3] == "ner"}


def test_a_slow_header_line_does_not_hold_the_others_up(laptop: Running) -> None:
    with socket.create_connection(("127.0.0.1", laptop.gateway_port)) as slow:
        slow.sendall(b"POST /v1/research HTTP/1.1\r\nhost: x\r\n")
        assert ask(laptop.gateway_port, QUESTION).status_code == 200


def test_afterwards_a_question_is_answered(laptop: Running) -> None:
    answer = ask(laptop.gateway_port, QUESTION)
    assert answer.status_code == 200
    assert answer.json()["citations"]
