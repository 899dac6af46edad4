"""inference as a process, asked by the clients that people have: openai's and Triton's own packages."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
import pytest

from tests.support.inference import index_of_notes

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0
QUESTION = "How many e-bikes were sold in Germany in 2024?"
TRITON = """
import json, sys
import numpy as np
import tritonclient.http as triton

client = triton.InferenceServerClient(sys.argv[1])
assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("embedder")
described = client.get_model_metadata("embedder")
rows = []
for binary in (True, False):
    tensor = triton.InferInput("text", [2], "BYTES")
    tensor.set_data_from_numpy(np.array(["Grüße", "半導体 🍫"], dtype=np.object_), binary_data=binary)
    for outputs in (None, [triton.InferRequestedOutput("embedding", binary_data=binary)]):
        result = client.infer("embedder", [tensor], outputs=outputs, request_id="r1")
        assert result.get_response()["id"] == "r1"
        rows.append(result.as_numpy("embedding").tolist())
try:
    client.infer("other", [tensor])
except triton.InferenceServerException as error:
    print(json.dumps({"described": described, "rows": rows, "error": str(error)}))
"""


@pytest.fixture(scope="module")
def served(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an inference process over an index of a few notes."""
    root = tmp_path_factory.mktemp("inference")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environ = index_of_notes(root, trained_models) | {"PORT": str(port), "METRICS_PORT": "0"}
    process = subprocess.Popen(
        [sys.executable, "-m", "functions.runtime", "functions.inference.app:function"],
        cwd=ROOT, env=os.environ | environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_ready(url)
        yield url
    finally:
        process.kill()
        process.wait()


def _wait_ready(url: str) -> None:
    deadline = time.monotonic() + PATIENCE
    with httpx.Client(trust_env=False) as client:
        while time.monotonic() < deadline:
            try:
                if client.get(f"{url}/health/ready").status_code == 200:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.02)
    pytest.fail("inference did not become ready")


@pytest.fixture(scope="module")
def client(served: str) -> Iterator[openai.OpenAI]:
    http = httpx.Client(trust_env=False)
    with openai.OpenAI(
        base_url=f"{served}/v1", api_key="none", max_retries=0, http_client=http
    ) as opened:
        yield opened


def chat(client: openai.OpenAI, **more: Any) -> Any:
    messages = [{"role": "system", "content": "x"}, {"role": "user", "content": QUESTION}]
    return client.chat.completions.create(
        model="marketresearch", messages=messages, temperature=0.2, **more
    )


def test_a_chat_is_answered_with_the_citations_beside_it(client: openai.OpenAI) -> None:
    completion = chat(client)
    assert completion.object == "chat.completion"
    assert completion.choices[0].finish_reason == "stop"
    assert "2.05 million" in completion.choices[0].message.content
    research = completion.model_extra["research"]
    assert research["citations"][0]["document"] == "documents/ebikes-germany-2024-sales.md"
    assert research["models"]["answerer"] == "extractive"
    usage = completion.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens > 0


def test_the_parts_of_a_stream_are_the_answer(client: openai.OpenAI) -> None:
    parts = list(chat(client, stream=True, stream_options={"include_usage": True}))
    said = "".join(part.choices[0].delta.content or "" for part in parts if part.choices)
    whole = chat(client)
    assert said == whole.choices[0].message.content
    assert parts[-2].choices[0].finish_reason == "stop"
    assert parts[-1].usage == whole.usage
    assert len({part.id for part in parts}) == 1


async def test_the_asynchronous_client_streams_too(served: str) -> None:
    http = httpx.AsyncClient(trust_env=False)
    async with openai.AsyncOpenAI(
        base_url=f"{served}/v1", api_key="none", http_client=http
    ) as client:
        stream = await client.chat.completions.create(
            model="marketresearch", messages=[{"role": "user", "content": QUESTION}], stream=True
        )
        said = [part.choices[0].delta.content or "" async for part in stream]
    assert "2.05 million" in "".join(said)


def test_embeddings_are_the_same_as_numbers_and_as_base64(client: openai.OpenAI) -> None:
    texts = ["E-bikes in Germany", "E-bikes sold in Germany", "Oat milk in Sweden"]
    packed = client.embeddings.create(model="embedder", input=texts)  # base64 on the wire
    plain = client.embeddings.create(model="embedder", input=texts, encoding_format="float")
    rows = np.array([one.embedding for one in packed.data])
    assert packed.model == "embedder-v1.0.0"
    assert [one.index for one in packed.data] == [0, 1, 2]
    np.testing.assert_allclose(rows, [one.embedding for one in plain.data], atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1.0, atol=1e-5)
    assert rows[0] @ rows[1] > rows[0] @ rows[2]
    assert packed.usage.prompt_tokens > 3
    alone = client.embeddings.create(model="embedder-v1.0.0", input=texts[0], dimensions=384)
    np.testing.assert_allclose(alone.data[0].embedding, rows[0], atol=1e-5)


def test_the_models_are_listed(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {
        "marketresearch",
        "embedder",
        "embedder-v1.0.0",
    }


@pytest.mark.parametrize(
    ("path", "fields", "kind"),
    [
        ("chat", {"model": "gpt-4o"}, openai.NotFoundError),
        (
            "chat",
            {"messages": [{"role": "system", "content": "x"}]},
            openai.UnprocessableEntityError,
        ),
        ("chat", {"n": 2}, openai.UnprocessableEntityError),
        ("embeddings", {"model": "text-embedding-3-small"}, openai.NotFoundError),
        ("embeddings", {"input": [[1, 2, 3]]}, openai.UnprocessableEntityError),
        ("embeddings", {"input": "long " * 1000}, openai.UnprocessableEntityError),
        ("embeddings", {"dimensions": 256}, openai.UnprocessableEntityError),
    ],
)
def test_what_cannot_be_answered_truthfully_is_refused_as_clients_expect(
    client: openai.OpenAI, path: str, fields: dict[str, Any], kind: type[openai.APIStatusError]
) -> None:
    chats = {"model": "marketresearch", "messages": [{"role": "user", "content": "q"}]}
    given = (chats if path == "chat" else {"model": "embedder", "input": "a"}) | fields
    create: Any = client.chat.completions.create if path == "chat" else client.embeddings.create
    with pytest.raises(kind) as raised:
        create(**given)
    assert raised.value.code in ("not_found", "invalid")


def test_tritons_client_reads_vectors_as_bytes_and_as_json(
    served: str, client: openai.OpenAI
) -> None:
    address = served.removeprefix("http://")  # gevent patches nothing in this process
    done = subprocess.run(
        [sys.executable, "-c", TRITON, address], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["described"]["outputs"][0] == {
        "name": "embedding",
        "datatype": "FP32",
        "shape": [-1, 384],
    }
    expected = client.embeddings.create(model="embedder", input=["Grüße", "半導体 🍫"])
    for rows in said["rows"]:
        np.testing.assert_allclose(rows, [one.embedding for one in expected.data], atol=1e-5)
    assert "no model 'other'" in said["error"]
