"""ner over HTTP: answers, errors with the right status, the Open Inference Protocol."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.ner.app import function
from tests.support.ner_cache import tiny_cache
from tests.support.ner_client import running
from tests.support.tiny_bert import LABELS

TEXT = "Anna met Bosch 🍫 in Rome, 半導体."


@pytest.fixture(scope="session")
def ner_cache(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    return tiny_cache(tmp_path_factory.mktemp("ner"))


@pytest.fixture
async def client(ner_cache: tuple[Path, str]) -> AsyncIterator[httpx.AsyncClient]:
    cache, digest = ner_cache
    limits = {"NER_MAX_BYTES": "5000", "NER_MAX_TEXTS": "8"}
    async with running(MODEL_CACHE_DIR=str(cache), MODEL_DIGEST=digest, **limits) as made:
        yield made


async def test_each_text_has_its_result_and_offsets_slice_back(client: httpx.AsyncClient) -> None:
    texts = [TEXT, "", "Nothing.", TEXT]
    answer = (await client.post("/v1/entities", json={"texts": texts})).json()
    assert answer["model"] == "ner-v1.0.0"
    assert len(answer["results"]) == len(texts)
    assert answer["results"][0] == answer["results"][3]
    assert answer["results"][1] == {"entities": []}
    for text, result in zip(texts, answer["results"], strict=True):
        for entity in result["entities"]:
            assert text[entity["start"] : entity["end"]] == entity["text"]
            assert entity["label"] in LABELS


async def test_a_long_text_is_answered_to_its_end(client: httpx.AsyncClient) -> None:
    text = f"{TEXT} " * 100
    answer = (await client.post("/v1/entities", json={"texts": [text]})).json()
    assert max(entity["end"] for entity in answer["results"][0]["entities"]) > len(text) - 40


@pytest.mark.parametrize(
    ("body", "status", "word"),
    [
        (b"{", 400, "JSON"),
        (b"[" * 100_000, 400, "JSON"),
        (b"[]", 422, "object"),
        (b"{}", 422, "texts"),
        (b'{"texts": "Anna"}', 422, "texts"),
        (b'{"texts": [1]}', 422, "texts[0]"),
        (b'{"texts": ["a"], "txt": 1}', 422, "txt"),
        (b'{"texts": ["\\ud800"]}', 422, "texts[0]"),
        (json.dumps({"texts": ["a"] * 9}).encode(), 422, "8"),
        (json.dumps({"texts": ["é" * 2501]}).encode(), 413, "5000"),
    ],
)
async def test_bad_requests_name_the_field(
    client: httpx.AsyncClient, body: bytes, status: int, word: str
) -> None:
    headers = {"content-type": "application/json"}
    response = await client.post("/v1/entities", content=body, headers=headers)
    assert response.status_code == status
    assert word in response.json()["error"]["message"]


async def test_other_media_types_are_refused(client: httpx.AsyncClient) -> None:
    response = await client.post(
        "/v1/entities", content="a", headers={"content-type": "text/plain"}
    )
    assert response.status_code == 415


async def test_the_open_inference_protocol_gives_the_same_entities(
    client: httpx.AsyncClient,
) -> None:
    plain = (await client.post("/v1/entities", json={"texts": [TEXT]})).json()
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [TEXT]}
    body = {"id": "7", "inputs": [tensor]}
    answer = (await client.post("/v2/models/ner/versions/1.0.0/infer", json=body)).json()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("7", "ner", "1.0.0")
    (output,) = answer["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("entities", "BYTES", [1])
    assert json.loads(output["data"][0]) == plain["results"][0]["entities"]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"shape": [2]}, "shape"),
        ({"datatype": "INT64"}, "datatype"),
        ({"data": None}, "data"),
    ],
)
async def test_a_wrong_tensor_is_refused_in_the_protocols_own_shape(
    client: httpx.AsyncClient, change: dict[str, Any], word: str
) -> None:
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]} | change
    response = await client.post("/v2/models/ner/infer", json={"inputs": [tensor]})
    assert response.status_code == 422
    assert word in response.json()["error"]


async def test_the_protocol_describes_server_and_model(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v2")).json()["name"]
    assert (await client.get("/v2/health/live")).json() == {"live": True}
    assert (await client.get("/v2/health/ready")).json() == {"ready": True}
    assert (await client.get("/v2/models/ner/ready")).json() == {"name": "ner", "ready": True}
    described = (await client.get("/v2/models/ner")).json()
    assert (described["versions"], described["platform"]) == (["1.0.0"], "onnxruntime")
    for missing in ("/v2/models/other", "/v2/models/ner/versions/9.9.9/ready"):
        response = await client.get(missing)
        assert response.status_code == 404
        assert isinstance(response.json()["error"], str)


async def test_every_path_is_described(client: httpx.AsyncClient) -> None:
    described = set((await client.get("/openapi.json")).json()["paths"])
    assert described == {route.path for route in function.routes} - {"/openapi.json"}  # type: ignore[attr-defined] # all are Routes


async def test_without_a_model_it_stays_live_and_never_becomes_ready() -> None:
    async with running() as client:
        assert (await client.get("/health/live")).status_code == 200
        assert (await client.get("/v2/health/ready")).status_code == 503
        response = await client.post("/v1/entities", json={"texts": ["a"]})
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert "no model is configured yet" in response.json()["error"]["message"]


async def test_a_digest_that_the_cache_lacks_is_no_reason_to_answer(tmp_path: Path) -> None:
    digest = f"sha256:{'0' * 64}"
    async with running(MODEL_CACHE_DIR=str(tmp_path), MODEL_DIGEST=digest) as client:
        response = await client.post("/v1/entities", json={"texts": ["a"]})
        assert response.status_code == 503
        assert digest in response.json()["error"]["message"]


async def test_patterns_answer_only_when_asked_for_and_say_so() -> None:
    text = "Siemens AG lost €3.5 bn, or 12 %, in March 2024."
    async with running(NER_HEURISTICS="true") as client:
        answer = (await client.post("/v1/entities", json={"texts": [text]})).json()
        assert answer["model"] == "heuristic"
        found = [(one["text"], one["label"]) for one in answer["results"][0]["entities"]]
        assert found == [
            ("Siemens AG", "ORG"),
            ("€3.5 bn", "MONEY"),
            ("12 %", "PERCENT"),
            ("March 2024", "DATE"),
        ]
        assert (await client.get("/v2/models/ner")).json()["platform"] == "heuristic"
