"""ner's side of the Open Inference Protocol: binary tensors, class ids, and what is refused."""

import json
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from transformers import AutoModelForTokenClassification, AutoTokenizer

from functions.ner.oip import classes_tensor
from functions.runtime.tensors import JSON_LENGTH, pack, unpack
from tests.support.ner_cache import tiny_cache
from tests.support.ner_client import running

TEXTS = ["Anna met Bosch in Rome.", "半導体 🍫", ""]
INFER = "/v2/models/ner/infer"


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return tiny_cache(tmp_path_factory.mktemp("oip"))


@pytest.fixture
async def client(cache: tuple[Path, str]) -> AsyncIterator[httpx.AsyncClient]:
    root, digest = cache
    async with running(MODEL_CACHE_DIR=str(root), MODEL_DIGEST=digest) as made:
        yield made


def tensor(texts: list[str], **more: Any) -> dict[str, Any]:
    return {"name": "text", "shape": [len(texts)], "datatype": "BYTES", **more}


def binary(texts: list[str], **more: Any) -> dict[str, Any]:
    raw = pack(texts)
    size = {"binary_data_size": len(raw)}
    head = json.dumps({"inputs": [tensor(texts, parameters=size)], **more}).encode()
    kind = {"content-type": "application/octet-stream", JSON_LENGTH: str(len(head))}
    return {"content": head + raw, "headers": kind}


async def test_texts_that_come_as_bytes_have_the_same_entities(client: httpx.AsyncClient) -> None:
    plain = await client.post(INFER, json={"inputs": [tensor(TEXTS, data=TEXTS)]})
    packed = await client.post(INFER, **binary(TEXTS))
    assert packed.json() == plain.json()


async def test_an_answer_as_bytes_says_how_much_of_it_is_json(client: httpx.AsyncClient) -> None:
    plain = await client.post(INFER, json={"inputs": [tensor(TEXTS, data=TEXTS)]})
    parameters = {"binary_data_output": True}
    answer = await client.post(INFER, **binary(TEXTS, parameters=parameters))
    length = int(answer.headers[JSON_LENGTH])
    (output,) = json.loads(answer.content[:length])["outputs"]
    size = output["parameters"]["binary_data_size"]
    assert unpack(answer.content[length:], size, "x") == plain.json()["outputs"][0]["data"]


async def test_class_ids_are_those_that_the_checkpoint_gives_token_by_token(
    client: httpx.AsyncClient, cache: tuple[Path, str]
) -> None:
    asked = {"inputs": [tensor(TEXTS, data=TEXTS)], "outputs": [{"name": "output-0"}]}
    (output,) = (await client.post(INFER, json=asked)).json()["outputs"]
    assert output["datatype"] == "INT64"
    found = np.array(output["data"]).reshape(output["shape"])
    folder = next((cache[0] / "entries").iterdir())
    model = AutoModelForTokenClassification.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    for row, text in enumerate(TEXTS):
        encoded = tokenizer(text, return_tensors="pt")
        want = model(**encoded).logits.argmax(-1)[0].tolist()
        inner = slice(1, len(want) - 1)  # special tokens are nobody's entity
        assert found[row, 0][inner].tolist() == want[inner]
        assert set(found[row, 0][len(want) - 1 :].tolist()) == {0}


async def test_class_ids_can_be_what_a_request_gets_that_names_no_output(
    cache: tuple[Path, str],
) -> None:
    root, digest = cache
    environ = {"MODEL_CACHE_DIR": str(root), "MODEL_DIGEST": digest}
    async with running(NER_OIP_OUTPUT="class-ids", **environ) as client:
        asked = {"inputs": [tensor(["Anna"], data=["Anna"])]}
        (output,) = (await client.post(INFER, json=asked)).json()["outputs"]
    assert (output["name"], output["shape"]) == ("output-0", [1, 1, 6])


async def test_patterns_have_no_class_ids_and_say_so() -> None:
    async with running(NER_HEURISTICS="true") as client:
        asked = {"inputs": [tensor(["a"], data=["a"])], "outputs": [{"name": "output-0"}]}
        response = await client.post(INFER, json=asked)
    assert response.status_code == 422
    assert "no class ids" in response.json()["error"]


@pytest.mark.parametrize(
    ("rest", "size", "word"),
    [
        (b"\x05\x00\x00\x00abc", 7, "middle of a text"),
        (b"\x01\x00", 2, "no texts"),
        (struct.pack("<I", 1) + b"\xff", 5, "no texts"),
        (b"", 9, "binary_data_size"),
    ],
)
async def test_bytes_that_are_no_texts_are_refused(
    client: httpx.AsyncClient, rest: bytes, size: int, word: str
) -> None:
    parameters = {"binary_data_size": size}
    head = json.dumps({"inputs": [tensor(["a"], parameters=parameters)]}).encode()
    headers = {JSON_LENGTH: str(len(head))}
    response = await client.post(INFER, content=head + rest, headers=headers)
    assert response.status_code == 422
    assert word in response.json()["error"]


@pytest.mark.parametrize("length", ["-1", "9999", "x"])
async def test_a_json_length_outside_the_body_is_malformed(
    client: httpx.AsyncClient, length: str
) -> None:
    response = await client.post(INFER, content=b"{}", headers={JSON_LENGTH: length})
    assert response.status_code == 400


@pytest.mark.parametrize(
    "outputs", ["entities", [{"name": "other"}], [{"name": "entities"}, {"name": "output-0"}], [1]]
)
async def test_outputs_that_are_not_ours_are_refused(
    client: httpx.AsyncClient, outputs: Any
) -> None:
    asked = {"inputs": [tensor(["a"], data=["a"])], "outputs": outputs}
    response = await client.post(INFER, json=asked)
    assert response.status_code == 422
    assert "outputs" in response.json()["error"]


async def test_what_curl_sends_without_a_content_type_is_read(client: httpx.AsyncClient) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    body = json.dumps({"texts": ["Anna"]}).encode()
    assert (await client.post("/v1/entities", content=body, headers=kind)).status_code == 200


def test_rows_are_filled_up_with_the_number_of_outside() -> None:
    made = classes_tensor([[1, 2, 3], [4]], outside=9)
    assert made.head["shape"] == [2, 1, 3]
    assert made.data == [1, 2, 3, 4, 9, 9]
