"""An object whose ETag and size are known is neither fetched nor parsed again, and nothing is lost."""

import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from functions.embed_rebuild import corpus, rebuild, vectors
from functions.index import sources
from functions.index.sources import Entry
from functions.index.store import IndexStore

DIGEST = "sha256:" + "1" * 64


class Embedder:
    digest, version, dimension = DIGEST, "1.0.0", 8

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        seeds = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts]
        rows = np.array([np.random.default_rng(seed).normal(size=8) for seed in seeds])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


class Bucket:
    """Objects in memory; counts what is fetched."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.vanishing = ""

    def listing(self) -> list[Entry]:
        return [
            Entry(f"documents/{name}", hashlib.sha256(body).hexdigest(), len(body))
            for name, body in sorted(self.objects.items())
        ]

    def fetch(self, entry: Entry) -> bytes | None:
        name = entry.key.removeprefix("documents/")
        self.fetched.append(name)
        return None if name == self.vanishing else self.objects[name]

    def taken(self) -> list[str]:
        found, self.fetched = sorted(self.fetched), []
        return found


@pytest.fixture
def store(tmp_path: Path) -> IndexStore:
    return IndexStore(tmp_path / "index")


@pytest.fixture
def bucket() -> Bucket:
    made = Bucket()
    made.objects = {
        "a.md": b"# A\n\nThe first note speaks of bicycles.",
        "b.jsonl": b'{"id": "x", "text": "Line one of b."}\nnot json\n{"text": "Line two of b."}',
        "c.txt": b"The third note speaks of trains.",
        "d.exe": b"MZ",
    }
    return made


def build(store: IndexStore, bucket: Bucket) -> bool:
    return rebuild.rebuild(store, bucket, Embedder(), datetime.now(UTC)) is not None  # type: ignore[arg-type] # a double


def chunks(store: IndexStore) -> list[tuple[str, str]]:
    opened = store.open(DIGEST)
    assert opened is not None
    return [(chunk.document, chunk.text) for chunk in opened.content.chunks]


def test_only_what_changed_is_fetched_and_the_result_is_as_from_nothing(
    store: IndexStore, bucket: Bucket, tmp_path: Path
) -> None:
    assert build(store, bucket)
    assert bucket.taken() == ["a.md", "b.jsonl", "c.txt", "d.exe"]
    bucket.objects["aa.txt"] = b"A new note between the others."
    bucket.objects["c.txt"] = b"The third note speaks of ships."
    assert build(store, bucket)
    assert bucket.taken() == ["aa.txt", "c.txt"]
    del bucket.objects["a.md"]
    assert build(store, bucket)
    assert bucket.taken() == []
    afresh = IndexStore(tmp_path / "afresh")
    build(afresh, bucket)
    assert chunks(store) == chunks(afresh)
    kept, anew = store.open(DIGEST), afresh.open(DIGEST)
    assert kept is not None
    assert anew is not None
    for name in ("vectors", "borders", "sentences"):
        np.testing.assert_array_equal(getattr(kept.content, name), getattr(anew.content, name))
    found, expected = store.manifest(DIGEST), afresh.manifest(DIGEST)
    assert found is not None
    assert expected is not None
    assert (found.documents, found.chunks, found.skipped) == (
        expected.documents,
        expected.chunks,
        expected.skipped,
    )
    assert [skip.document for skip in found.skipped] == ["documents/b.jsonl#2", "documents/d.exe"]


def test_what_did_not_change_is_not_even_looked_up(
    store: IndexStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(store, bucket)
    asked = list[str]()
    key = vectors.content_key
    monkeypatch.setattr(
        vectors, "content_key", lambda digest, text: asked.append(text) or key(digest, text)
    )
    bucket.objects["c.txt"] = b"The third note speaks of ships."
    assert build(store, bucket)
    assert {text.removeprefix("c\n") for text in asked} == {"The third note speaks of ships."}


def test_a_chroma_that_lost_the_current_generation_gets_it_anew(
    store: IndexStore, bucket: Bucket
) -> None:
    build(store, bucket)
    current = store.manifest(DIGEST)
    assert current is not None
    store.home.drop(store.path(current.generation))
    assert build(store, bucket)
    after = store.manifest(DIGEST)
    assert after is not None
    assert (after.corpus, after.embedded) == (current.corpus, 0)
    assert store.home.has(store.path(after.generation))


def test_an_unchanged_bucket_builds_nothing(store: IndexStore, bucket: Bucket) -> None:
    build(store, bucket)
    bucket.taken()
    assert not build(store, bucket)
    assert bucket.taken() == []


@pytest.mark.parametrize(("module", "name"), [(corpus, "READER"), (corpus, "CHUNKER")])
def test_a_changed_reader_or_chunker_reads_everything_again(
    store: IndexStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch, module: object, name: str
) -> None:
    build(store, bucket)
    bucket.taken()
    monkeypatch.setattr(module, name, "changed")
    monkeypatch.setattr(rebuild, name, "changed")
    assert build(store, bucket)
    assert len(bucket.taken()) == len(bucket.objects)


@pytest.mark.parametrize("damage", ["", "{", '{"entry": {}}\n'])
def test_a_generation_without_a_readable_memory_is_no_reason_to_fail(
    store: IndexStore, bucket: Bucket, damage: str
) -> None:
    build(store, bucket)
    bucket.taken()
    current = store.current(DIGEST)
    assert current is not None
    file = store.path(current) / sources.SOURCES
    file.write_text(damage) if damage else file.unlink()
    bucket.objects["e.txt"] = b"One more note about aeroplanes."
    assert build(store, bucket)
    assert len(bucket.taken()) == len(bucket.objects)


def test_an_object_that_vanished_while_it_was_read_is_read_when_it_is_back(
    store: IndexStore, bucket: Bucket
) -> None:
    bucket.vanishing = "c.txt"
    build(store, bucket)
    assert all(document != "documents/c.txt" for document, _ in chunks(store))
    bucket.vanishing = ""
    assert build(store, bucket)
    assert any(document == "documents/c.txt" for document, _ in chunks(store))


def test_an_object_that_is_too_large_is_reported_and_not_fetched(
    store: IndexStore, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "LARGEST", 40)
    build(store, bucket)
    assert "b.jsonl" not in bucket.taken()
    manifest = store.manifest(DIGEST)
    assert manifest is not None
    assert any("larger than 40 bytes" in skip.reason for skip in manifest.skipped)
