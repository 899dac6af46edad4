"""Which chunks are searched, and that a running reader follows `current`."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from functions.index import generation
from functions.index.chunks import Chunk
from functions.index.store import IndexStore
from functions.inference.retrieve import Index, passes
from functions.inference.schema import Filters

EMBEDDER = "sha256:" + "1" * 64
CHUNK = Chunk("documents/a.md", "T", "2024-11-05", "Desk", ("x", "y"), 0, 0, "")
QUERY = np.array([1, 0], dtype=np.float32)


@pytest.mark.parametrize(
    ("filters", "expected"),
    [
        (Filters(), True),
        (Filters(date_from="2024"), True),
        (Filters(date_from="2024-11-05", date_to="2024-11-05"), True),
        (Filters(date_from="2024-11-06"), False),
        (Filters(date_to="2024"), True),
        (Filters(date_to="2024-10"), False),
        (Filters(date_to="2023"), False),
        (Filters(source="Desk"), True),
        (Filters(source="desk"), False),
        (Filters(tags=("z", "y")), True),
        (Filters(tags=("z",)), False),
        (Filters(tags=("x",), date_from="2025"), False),
    ],
)
def test_filters_name_the_documents_that_count(filters: Filters, expected: bool) -> None:  # noqa: FBT001 - a table
    assert passes(CHUNK, filters) is expected


def test_a_document_without_a_date_passes_no_filter_by_date() -> None:
    undated = replace(CHUNK, date="")
    assert passes(undated, Filters())
    assert not passes(undated, Filters(date_to="2030"))


def publish(store: IndexStore, day: int, texts: list[str]) -> str:
    chunks = tuple(
        replace(CHUNK, document=f"documents/{text}", text=text, end=len(text)) for text in texts
    )
    content = generation.Content(
        chunks=chunks,
        vectors=np.array([[1, place] for place in range(len(texts))], dtype=np.float32),
        borders=np.arange(len(texts) + 1, dtype=np.int64),
        sentences=np.ones((len(texts), 2), dtype=np.float16),
    )
    with store.building(datetime(2025, 1, 1, tzinfo=UTC) + timedelta(days=day)) as folder:
        name = folder.name.removeprefix(".building-")
        manifest = generation.Manifest(
            name, EMBEDDER, "1.0.0", "c", "s", len(texts), len(texts), 0, 1.0, "2025-01-01"
        )
        generation.write(folder, manifest, content)
        return store.publish(folder, EMBEDDER, store.current(EMBEDDER))


def found(index: Index) -> list[str]:
    searcher = index.searcher()
    assert searcher is not None
    return [sentence.text for sentence in searcher.search(QUERY, 10, Filters())]


def test_a_new_generation_is_read_without_a_restart(tmp_path: Path) -> None:
    store = IndexStore(tmp_path)
    index = Index(store, EMBEDDER, "auto")
    assert index.searcher() is None
    first = publish(store, 0, ["the first text of all", "another one of the first"])
    assert found(index) == ["the first text of all", "another one of the first"]
    before = index.searcher()
    publish(store, 1, ["the second generation's text"])
    assert found(index) == ["the second generation's text"]
    assert before is not None
    assert before.generation.manifest.generation == first
    assert len(before.search(QUERY, 10, Filters())) == 2
    assert index.searcher() is index.searcher()


def test_an_index_of_another_embedder_is_not_read(tmp_path: Path) -> None:
    store = IndexStore(tmp_path)
    publish(store, 0, ["a text of the one embedder"])
    assert Index(store, "sha256:" + "2" * 64, "auto").searcher() is None
