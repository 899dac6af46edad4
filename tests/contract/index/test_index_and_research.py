"""Documents in S3 → index → cited answers, by the real embedder, real S3 protocol, both homes of Chroma."""

import asyncio
import json
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from functions.embed_rebuild.app import function as embed_rebuild
from functions.index.store import IndexStore
from functions.inference.app import function as inference
from functions.runtime.app import build_app
from scripts.push_documents import push_documents
from scripts.quality import score
from tests.support.index import serving
from tests.support.s3 import BUCKET, S3Server

ROOT = Path(__file__).parents[3]
QUESTION = "How many e-bikes were sold in Germany in 2024?"
EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "aws:s3.us-east-1.my-bucket",
    "ce-type": "com.amazonaws.s3.ObjectCreated:Put",
    "ce-subject": "documents/a.md",
    "prefer": "reply",
}
CITED_FLOOR, RIGHT_FLOOR, REFUSED_FLOOR = 0.9, 0.8, 0.85
"""Below what was measured (0.93, 0.85, 0.94), so that only a change for the worse fails."""

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def ask(client: httpx.AsyncClient, question: str, **fields: Any) -> dict[str, Any]:
    response = await client.post("/v1/research", json={"question": question, **fields})
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def test_citations_slice_back_out_of_the_uploaded_file(answers: httpx.AsyncClient) -> None:
    body = await ask(answers, QUESTION)
    assert "2.05 million" in body["answer"]
    for citation in body["citations"]:
        name = citation["document"].removeprefix("documents/")
        text = (ROOT / "scripts/corpus" / name).read_bytes().decode()
        assert text[citation["start"] : citation["end"]] == citation["text"]
        assert citation["text"] in body["answer"]


async def test_what_the_corpus_does_not_know_is_said(answers: httpx.AsyncClient) -> None:
    body = await ask(answers, "Who won the football world cup in 2022?")
    assert not body["supported"]
    assert body["citations"] == body["entities"] == []
    assert "Nothing in the corpus" in body["answer"]


async def test_the_answer_says_what_served_it(
    answers: httpx.AsyncClient, environ: Mapping[str, str]
) -> None:
    body = await ask(answers, QUESTION)
    assert body["models"]["embedder"]["digest"] == environ["MODEL_DIGEST"]
    current = IndexStore(Path(environ["INDEX_DIR"])).current(environ["MODEL_DIGEST"])
    assert body["index"]["generation"] == current
    assert body["entities_error"] == "no NER_URL is configured"
    assert body["timings"]["total"] >= body["timings"]["embed"] > 0


async def test_filters_keep_to_the_documents_they_name(answers: httpx.AsyncClient) -> None:
    filters = {"date_from": "2024-07", "date_to": "2024", "tags": ["e-bikes"]}
    body = await ask(answers, "Who supplies motors for e-bikes?", filters=filters, top_k=50)
    assert {citation["date"][:4] for citation in body["citations"]} == {"2024"}
    nothing = await ask(answers, QUESTION, filters={"source": "nobody"})
    assert not nothing["supported"]


async def test_a_stream_ends_with_the_same_body(answers: httpx.AsyncClient) -> None:
    whole = await ask(answers, QUESTION)
    request = {"question": QUESTION, "stream": True}
    async with answers.stream("POST", "/v1/research", json=request) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        blocks = (await response.aread()).decode().strip().split("\n\n")
    events = [block.split("\n") for block in blocks]
    assert [name for name, _ in events] == ["event: sentence"] * len(whole["citations"]) + [
        "event: done"
    ]
    done = json.loads(events[-1][1].removeprefix("data: "))
    assert (done["answer"], done["citations"]) == (whole["answer"], whole["citations"])


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"x", "application/json", 400),
        (b"{}", "application/json", 422),
        (b'{"question": "q"}', "text/plain", 415),
        (b'{"question": "' + b"x" * 2**20 + b'"}', "application/json", 413),
    ],
)
async def test_a_bad_request_gets_its_status_and_an_error_body(
    answers: httpx.AsyncClient, content: bytes, kind: str, status: int
) -> None:
    headers = {"content-type": kind}
    response = await answers.post("/v1/research", content=content, headers=headers)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"code", "message", "request_id"}


async def test_chroma_and_exact_search_answer_alike(
    answers: httpx.AsyncClient, environ: Mapping[str, str]
) -> None:
    found = {}
    for search in ("exact", "chroma"):
        async with serving(inference, {**environ, "INDEX_SEARCH": search}) as client:
            found[search] = await ask(client, QUESTION)
        assert found[search]["index"]["search"] == search
    assert found["exact"]["citations"] == found["chroma"]["citations"]


async def test_the_question_set_is_answered_as_well_as_before(answers: httpx.AsyncClient) -> None:
    lines = (ROOT / "scripts/questions.jsonl").read_text("utf-8").splitlines()
    questions = [json.loads(line) for line in lines]
    bodies = [await ask(answers, one["question"]) for one in questions]
    quality = score(questions, bodies)
    assert quality.cited >= CITED_FLOOR, quality
    assert quality.right >= RIGHT_FLOOR, quality
    assert quality.refused >= REFUSED_FLOOR, quality


async def test_nothing_changed_is_nothing_built(
    rebuilds: httpx.AsyncClient, answers: httpx.AsyncClient
) -> None:
    assert (await rebuilds.post("/v1/rebuild")).json() == {"rebuilt": []}
    assert (await rebuilds.post("/", headers=EVENT)).status_code == 202


async def test_uploads_and_removals_change_the_answer_of_a_running_process(
    server: S3Server, rebuilds: httpx.AsyncClient, answers: httpx.AsyncClient
) -> None:
    s3 = server.client("s3")
    assert "2.17 million" not in (await ask(answers, QUESTION))["answer"]
    keys = push_documents(s3, BUCKET, ROOT / "scripts/corpus_new")
    reply = await rebuilds.post("/", headers=EVENT)
    assert reply.headers["ce-type"] == "ai.marketresearch.index.rebuilt.v1"
    assert 0 < reply.json()["embedded"] < 20 < reply.json()["chunks"]
    after = (await ask(answers, QUESTION))["answer"]
    assert after.startswith("Dealers and online shops in Germany sold 2.17 million")
    for key in keys:
        s3.delete_object(Bucket=BUCKET, Key=key)
    await rebuilds.post("/", headers=EVENT)
    assert "2.17 million" not in (await ask(answers, QUESTION))["answer"]


async def test_an_unreadable_document_is_reported_and_stops_no_other(
    server: S3Server, rebuilds: httpx.AsyncClient, answers: httpx.AsyncClient
) -> None:
    s3 = server.client("s3")
    s3.put_object(Bucket=BUCKET, Key="documents/broken.pdf", Body=b"%PDF-1.7")
    s3.put_object(Bucket=BUCKET, Key="documents/zeppelins.txt", Body=b"Nine zeppelins flew in May.")
    assert (await rebuilds.post("/v1/rebuild")).json()["rebuilt"][0]["embedded"] == 1
    (generation,) = (await rebuilds.get("/v1/index")).json()["generations"]
    assert [skipped["document"] for skipped in generation["skipped"]] == ["documents/broken.pdf"]
    assert "Nine zeppelins" in (await ask(answers, "How many zeppelins flew in May?"))["answer"]


async def test_a_burst_of_events_is_answered_and_replied_to_once_per_rebuild(
    server: S3Server, rebuilds: httpx.AsyncClient, answers: httpx.AsyncClient
) -> None:
    body = b"The burst test counted seventy-seven airships."
    server.client("s3").put_object(Bucket=BUCKET, Key="documents/burst.txt", Body=body)
    events = [{**EVENT, "ce-id": str(number)} for number in range(20)]
    replies = await asyncio.gather(*(rebuilds.post("/", headers=event) for event in events))
    assert sorted({reply.status_code for reply in replies}) == [200, 202]
    assert sum(reply.status_code == 200 for reply in replies) == 1


async def test_a_rollback_is_answered_from_at_once_and_lasts_until_the_next_rebuild(
    server: S3Server, rebuilds: httpx.AsyncClient, answers: httpx.AsyncClient
) -> None:
    question = "How many rowing boats crossed the lake?"
    body = b"Exactly four hundred rowing boats crossed the lake in June."
    server.client("s3").put_object(Bucket=BUCKET, Key="documents/boats.txt", Body=body)
    await rebuilds.post("/v1/rebuild")
    assert "four hundred" in (await ask(answers, question))["answer"]
    done = (await rebuilds.post("/v1/rollback")).json()
    assert "four hundred" not in (await ask(answers, question))["answer"]
    kept = (await rebuilds.get("/v1/index")).json()["kept"]
    assert [one["generation"] for one in kept if one["current"]] == [done["generation"]]
    await rebuilds.post("/v1/rebuild")
    assert "four hundred" in (await ask(answers, question))["answer"]
    assert (await rebuilds.post("/v1/rollback", json={"generation": "x"})).status_code == 404


async def test_another_builder_at_work_means_deliver_again(
    environ: Mapping[str, str], rebuilds: httpx.AsyncClient, answers: httpx.AsyncClient
) -> None:
    with IndexStore(Path(environ["INDEX_DIR"])).building(datetime.now(UTC)):
        response = await rebuilds.post("/", headers=EVENT)
    assert response.status_code == 409
    assert "retry-after" in response.headers


async def test_without_a_model_or_an_index_the_answer_is_503(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    async with serving(inference, {**environ, "MODEL_DIGEST": ""}) as client:
        response = await client.post("/v1/research", json={"question": "q"})
        assert response.status_code == 503
        assert response.json()["error"]["message"] == "no model is configured yet"
        assert (await client.get("/health/ready")).status_code == 503
    empty = {**environ, "INDEX_DIR": str(tmp_path), "INDEX_WAIT_SECONDS": "0"}
    async with serving(inference, empty) as client:
        response = await client.post("/v1/research", json={"question": "q"})
        assert response.status_code == 503
        assert "index has not been built" in response.json()["error"]["message"]
        assert (await client.get("/health/ready")).status_code == 503


async def test_a_start_waits_for_its_index(
    environ: Mapping[str, str], answers: httpx.AsyncClient, tmp_path: Path
) -> None:
    waiting = {**environ, "INDEX_DIR": str(tmp_path / "index"), "INDEX_WAIT_SECONDS": "60"}
    app = build_app(inference, waiting)
    async with app.router.lifespan_context(app):
        while app.state.lifecycle.phase != "warming":
            await asyncio.sleep(0.01)
        assert not app.state.lifecycle.ready
        shutil.copytree(environ["INDEX_DIR"], tmp_path / "copy")
        (tmp_path / "copy").rename(tmp_path / "index")
        await app.state.lifecycle.settled()
        assert app.state.lifecycle.ready


async def test_without_an_embedder_a_rebuild_is_asked_for_again(
    environ: Mapping[str, str], tmp_path: Path
) -> None:
    async with serving(embed_rebuild, {**environ, "MODEL_CACHE_DIR": str(tmp_path)}) as client:
        assert (await client.post("/", headers=EVENT)).status_code == 503
