"""The platform's own S3 server as a child process, release folders, and notifications for tests."""

import hashlib
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import numpy as np
from botocore.config import Config
from safetensors.numpy import save

from eventing.cloudevent import CloudEvent
from tests.support.child import ChildServer, free_port

BUCKET = "my-bucket"
QUEUE = "uploads"


class S3Server(ChildServer):
    """A running server over `folder`; `restart` kills it and starts it again on the same port."""

    def environ(self) -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }

    def _credentials(self) -> dict[str, str]:
        return {"aws_access_key_id": "test", "aws_secret_access_key": "test"}

    def client(self, service: str, config: Config | None = None) -> Any:
        return boto3.client(
            service,
            endpoint_url=self.url,
            **self._credentials(),
            region_name="us-east-1",
            config=config,
        )

    def restart(self) -> None:
        self.kill()
        self.process = _start(self.folder, self.port)


@contextmanager
def s3_server(folder: Path) -> Iterator[S3Server]:
    port = free_port()
    server = S3Server(folder, port, _start(folder, port))
    try:
        yield server
    finally:
        server.kill()


def _start(folder: Path, port: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "knative.local.s3_server", str(folder), str(port)]
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/moto-api/", timeout=1).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.02)
        else:
            return process
    process.kill()
    raise AssertionError("the S3 server did not start")


def release_folder(
    root: Path,
    name: str = "ner",
    version: str = "1.0.0",
    weights: bytes | None = None,
    **files: bytes,
) -> Path:
    """A small release that is complete, `weights` the bytes of its only tensor.

    `files` adds or replaces files (`__` stands for a dot).
    """
    folder = root / f"{name}-v{version}"
    tensor = weights or hashlib.sha512(f"{name} {version}".encode()).digest() * 100
    contents = {
        "config.json": json.dumps({"id2label": {"0": "O", "1": "B-ORG"}}).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors": save({"weights": np.frombuffer(tensor, np.uint8)}),
        "golden.jsonl": b'{"text": "Acme", "entities": []}\n',
        "onnx/model.onnx": b"shared by every version" * 50,
    } | {path.replace("__", "."): content for path, content in files.items()}
    for path, content in contents.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    head = {
        "schema": 1,
        "name": name,
        "version": version,
        "task": "token-classification",
        "framework": "onnx",
        "service": name,
        "labels": {},
        "golden": "golden.jsonl",
        "metrics": {"f1": 0.9},
    }
    (folder / "release.json").write_text(json.dumps(head))
    return folder


def created(folder: str, bucket: str = BUCKET, **extensions: str) -> CloudEvent:
    """The event that the upload of a release's manifest becomes."""
    return CloudEvent(
        id=f"{bucket}-{folder}",
        source=f"aws:s3.us-east-1.{bucket}",
        type="com.amazonaws.s3.ObjectCreated:Put",
        subject=f"models/{folder}/model_config.json",
        extensions=extensions,
    )
