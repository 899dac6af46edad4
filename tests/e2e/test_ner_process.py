"""ner as a process, as the platform starts it: ready by itself, light, drained on SIGTERM."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput

from scripts.training.examples import golden
from tests.support.ner_cache import tiny_cache

ROOT = Path(__file__).resolve().parents[2]
OURS = ("-m", "functions.runtime", "functions.ner.app:function")
PATIENCE = 60.0


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return tiny_cache(tmp_path_factory.mktemp("ner"))


@contextmanager
def process(
    cache: tuple[Path, str], port: int, *arguments: str
) -> Iterator[tuple[subprocess.Popen[bytes], httpx.Client]]:
    root, digest = cache
    model = {"MODEL_CACHE_DIR": str(root), "MODEL_DIGEST": digest}
    ports = {"PORT": str(port), "METRICS_PORT": "0"}
    started = subprocess.Popen(
        [sys.executable, *arguments], cwd=ROOT, env=os.environ | model | ports,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield started, client
    finally:
        started.kill()
        started.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_ready(client: httpx.Client, path: str = "/health/ready") -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            if client.get(path).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.02)
    pytest.fail("ner did not become ready")


def test_concurrent_requests_get_their_own_answers(cache: tuple[Path, str]) -> None:
    texts = [example.text for example in golden()]
    with process(cache, free_port(), *OURS) as (_, client):
        wait_ready(client)

        def ask(text: str) -> list[tuple[str, int, int]]:
            answer = client.post("/v1/entities", json={"texts": [text]}, timeout=PATIENCE).json()
            found = answer["results"][0]["entities"]
            assert all(text[one["start"] : one["end"]] == one["text"] for one in found)
            return [(one["label"], one["start"], one["end"]) for one in found]

        alone = list(map(ask, texts))
        with ThreadPoolExecutor(16) as pool:
            assert list(pool.map(ask, texts)) == alone


def test_the_weights_are_mapped_and_torch_is_not_there(cache: tuple[Path, str]) -> None:
    with process(cache, free_port(), *OURS) as (started, client):
        wait_ready(client)
        mapped = Path(f"/proc/{started.pid}/maps").read_text()
    assert "libonnxruntime" in mapped or "onnxruntime_pybind" in mapped
    assert "model.onnx.data" in mapped
    assert "libtorch" not in mapped


def test_sigterm_lets_a_request_in_flight_finish(cache: tuple[Path, str]) -> None:
    long = "Anna met Bosch in Rome. " * 4000
    with process(cache, free_port(), *OURS) as (started, client):
        wait_ready(client)
        with ThreadPoolExecutor(1) as pool:
            body = {"texts": [long]}
            answer = pool.submit(client.post, "/v1/entities", json=body, timeout=PATIENCE)
            deadline = time.monotonic() + PATIENCE
            busy = _cpu_seconds(started.pid)
            while _cpu_seconds(started.pid) < busy + 0.1 and time.monotonic() < deadline:
                time.sleep(0.005)
            started.send_signal(signal.SIGTERM)
            assert answer.result().status_code == 200
        assert started.wait(PATIENCE) in (0, -signal.SIGTERM)


def test_plain_functions_framework_serves_it_too(cache: tuple[Path, str]) -> None:
    port = free_port()
    main = ("--target", "main", "--source", "functions/ner/main.py", "--asgi", "--port", str(port))
    with process(cache, port, "-m", "functions_framework", *main) as (started, client):
        wait_ready(client, "/v2/health/ready")
        answer = client.post("/v1/entities", json={"texts": ["Anna."]}, timeout=PATIENCE)
        assert answer.json()["model"] == "ner-v1.0.0"
        started.terminate()  # gunicorn's worker would outlive a master that is killed
        started.wait(PATIENCE)


def test_the_import_of_the_app_is_light() -> None:
    heavy = ["torch", "transformers", "onnx", "onnxruntime", "boto3", "chromadb", "kubernetes"]
    code = f"import sys, functions.ner.app; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_tritons_client_reads_entities_and_class_ids(cache: tuple[Path, str]) -> None:
    port, text = free_port(), "Anna met Bosch 🍫 in Rome."
    with process(cache, port, *OURS) as (_, client):
        wait_ready(client)
        plain = client.post("/v1/entities", json={"texts": [text]}).json()
        with InferenceServerClient(f"127.0.0.1:{port}") as triton:
            assert triton.is_model_ready("ner")
            tensor = InferInput("text", [1], "BYTES")
            tensor.set_data_from_numpy(np.array([text], dtype=np.object_))
            found = triton.infer("ner", [tensor]).as_numpy("entities")
            asked = [InferRequestedOutput("output-0", binary_data=True)]
            numbers = triton.infer("ner", [tensor], outputs=asked).as_numpy("output-0")
    assert json.loads(found[0]) == plain["results"][0]["entities"]
    assert numbers.dtype == np.int64
    assert numbers.shape[:2] == (1, 1)
