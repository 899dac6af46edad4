"""Chroma's part of a generation, in folders and on a server: complete, searched well, or refused."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from functions.embed_rebuild import build
from functions.embed_rebuild.build import build_chroma
from functions.index import chroma, generation
from functions.index.chunks import Chunk
from functions.index.homes import EMBEDDED, Home, Server
from functions.index.store import IndexStore
from functions.inference.retrieve import Index
from functions.inference.schema import Filters
from functions.runtime.errors import Unavailable
from tests.support.child import ChildServer
from tests.support.chroma import chroma_server

CHUNK = Chunk("documents/a.md", "T", "", "", (), 0, 1, "x")
EMBEDDER = "sha256:" + "1" * 64
NOW = datetime(2025, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChildServer]:
    with chroma_server(tmp_path_factory.mktemp("chroma") / "data") as running:
        yield running


@pytest.fixture(params=["embedded", "server"])
def home(request: pytest.FixtureRequest, server: ChildServer) -> Home:
    return EMBEDDED if request.param == "embedded" else Server(server.url)


@pytest.fixture
def store(tmp_path: Path, home: Home) -> IndexStore:
    return IndexStore(tmp_path / "index", home)


def corpus(numbers: range) -> tuple[tuple[Chunk, ...], np.ndarray]:
    chunks = tuple(replace(CHUNK, start=number) for number in numbers)
    rows = [np.random.default_rng(number).normal(size=16) for number in numbers]
    vectors = np.array(rows, dtype=np.float32).reshape(len(chunks), 16)
    return chunks, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def published(store: IndexStore, numbers: range, day: int = 0) -> Path:
    """Build a generation of `numbers` out of the current one, and make it current."""
    chunks, vectors = corpus(numbers)
    current = store.current(EMBEDDER)
    previous = None if current is None else store.path(current)
    with store.building(NOW + timedelta(days=day)) as folder:
        build_chroma(store.home, folder, previous, chunks, vectors)
        name, count = generation.name_of(folder), len(chunks)
        manifest = generation.Manifest(
            name, EMBEDDER, "1.0.0", "c", "s", count, count, count, 1.0, "2025-01-01"
        )
        borders = np.zeros(count + 1, dtype=np.int64)
        nothing = np.empty((0, 16), dtype=np.float16)
        generation.write(folder, manifest, generation.Content(chunks, vectors, borders, nothing))
        return store.path(store.publish(folder, EMBEDDER, current))


def present(store: IndexStore, folder: Path) -> set[str]:
    with store.home.open(folder) as records:
        return set(chroma.present(records))


def ids(numbers: range) -> set[str]:
    return set(chroma.record_ids(corpus(numbers)[0]))


def test_a_new_generation_has_exactly_its_chunks_and_the_one_before_keeps_its_own(
    store: IndexStore,
) -> None:
    before = published(store, range(40))
    after = published(store, range(10, 60), day=1)
    assert present(store, before) == ids(range(40))
    assert present(store, after) == ids(range(10, 60))


def test_a_reader_finds_what_exact_search_finds(store: IndexStore) -> None:
    published(store, range(40))
    query = corpus(range(7, 8))[1][0]
    found = {}
    for search in ("exact", "chroma"):
        index = Index(store, EMBEDDER, search)
        searcher = index.searcher()
        assert searcher is not None
        assert searcher.method == search
        found[search] = searcher.rank(query, 5, Filters())
        index.close()
    assert found["exact"] == found["chroma"]
    assert found["exact"][0] == 7


def test_what_searches_badly_is_built_from_nothing(
    store: IndexStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(store, range(40))
    answers = iter([0.5, 0.99])
    monkeypatch.setattr(build, "recall", lambda *_: next(answers))
    again = published(store, range(40), day=1)
    assert list(answers) == []
    assert present(store, again) == ids(range(40))


def test_an_index_that_searches_badly_is_refused_and_leaves_nothing(
    store: IndexStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    current = published(store, range(5))
    monkeypatch.setattr(build, "recall", lambda *_: 0.5)
    with pytest.raises(Unavailable, match=r"recall@10 is 0\.500"):
        published(store, range(6), day=1)
    assert [path.name for path in (store.root / "generations").iterdir()] == [current.name]
    assert store.current(EMBEDDER) == current.name


def test_a_graph_that_misses_the_nearest_is_refused(
    store: IndexStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of what Chroma is asked for comes from the far end: recall is counted, not believed."""
    nearest = chroma.nearest

    def astray(records: Any, queries: np.ndarray, count: int) -> list[list[str]]:
        good, far = nearest(records, queries, count), nearest(records, -queries, count)
        half = count // 2
        return [[*near[:half], *away[:half]] for near, away in zip(good, far, strict=True)]

    monkeypatch.setattr(chroma, "nearest", astray)
    with pytest.raises(Unavailable, match=r"recall@10 is 0\.5"):
        published(store, range(60))
    assert store.current(EMBEDDER) is None


def test_a_chunk_that_is_missing_is_noticed(
    store: IndexStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = chroma.present
    monkeypatch.setattr(chroma, "present", lambda records: everything(records)[1:])
    with pytest.raises(Unavailable, match="4 of 5 chunks"):
        published(store, range(5))


def test_an_empty_corpus_is_an_index_too(store: IndexStore) -> None:
    assert present(store, published(store, range(0))) == set()


def test_a_collection_goes_with_its_generation(store: IndexStore) -> None:
    folders = [published(store, range(5 + day), day) for day in range(5)]
    store.prune(EMBEDDER)
    assert [store.home.has(folder) for folder in folders] == [False, False, True, True, True]


def test_what_a_killed_builder_left_is_removed_by_the_next(store: IndexStore) -> None:
    left = store.root / "generations" / ".building-20240101T000000Z-dead"
    left.mkdir(parents=True)
    chunks, vectors = corpus(range(5))
    build_chroma(store.home, left, None, chunks, vectors)
    assert store.home.has(left)
    published(store, range(5))
    assert not store.home.has(left)
    assert not left.exists()


def test_recall_counts_what_exact_search_would_have_found(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks, vectors = corpus(range(40))
    names = chroma.record_ids(chunks)

    def half_right(_records: Any, queries: np.ndarray, count: int) -> list[list[str]]:
        best = [np.argsort(-(vectors @ query)) for query in queries]
        half = count // 2
        return [[names[row] for row in [*order[:half], *order[-half:]]] for order in best]

    monkeypatch.setattr(chroma, "nearest", half_right)
    assert build.recall(None, names, vectors) == 0.5


def test_without_its_server_an_index_answers_by_exact_search_and_no_rebuild_passes(
    tmp_path: Path,
) -> None:
    with chroma_server(tmp_path / "data") as server:
        store = IndexStore(tmp_path / "index", Server(server.url))
        published(store, range(40))
        opened = Index(store, EMBEDDER, "chroma").searcher()
        server.kill()
        late = Index(store, EMBEDDER, "chroma").searcher()
        assert opened is not None
        assert late is not None
        assert (opened.method, late.method) == ("chroma", "exact")
        query = corpus(range(7, 8))[1][0]
        assert opened.rank(query, 5, Filters()) == late.rank(query, 5, Filters())
        with pytest.raises(Unavailable, match="Chroma does not do its part"):
            published(store, range(41), day=1)
        assert store.open(EMBEDDER) is not None
