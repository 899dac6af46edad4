"""Chroma's part of a generation is complete, and finds what exact search finds, or is refused."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from functions.embed_rebuild import build
from functions.index import chroma
from functions.index.chunks import Chunk
from functions.runtime.errors import Unavailable

CHUNK = Chunk("documents/a.md", "T", "", "", (), 0, 1, "x")


def corpus(numbers: range) -> tuple[list[Chunk], np.ndarray]:
    chunks = [replace(CHUNK, start=number) for number in numbers]
    rows = [np.random.default_rng(number).normal(size=16) for number in numbers]
    vectors = np.array(rows, dtype=np.float32)
    return chunks, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def present(folder: Path) -> set[str]:
    with chroma.collection(folder / "chroma") as records:
        return set(records.get(include=[])["ids"])


@pytest.fixture
def previous(tmp_path: Path) -> Path:
    folder = tmp_path / "previous"
    chunks, vectors = corpus(range(40))
    assert build.build_chroma(folder, None, chunks, vectors) >= build.RECALL_FLOOR
    return folder


def test_a_copy_is_brought_to_exactly_the_new_chunks(tmp_path: Path, previous: Path) -> None:
    chunks, vectors = corpus(range(10, 60))
    before = present(previous)
    assert build.build_chroma(tmp_path / "next", previous, chunks, vectors) >= build.RECALL_FLOOR
    assert present(tmp_path / "next") == set(chroma.record_ids(chunks))
    assert present(previous) == before


def test_a_copy_that_searches_badly_is_built_from_nothing(
    tmp_path: Path, previous: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter([0.5, 0.99])
    monkeypatch.setattr(build, "recall", lambda *_: next(answers))
    chunks, vectors = corpus(range(40))
    assert build.build_chroma(tmp_path / "next", previous, chunks, vectors) == 0.99


def test_an_index_that_searches_badly_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "recall", lambda *_: 0.5)
    chunks, vectors = corpus(range(5))
    with pytest.raises(Unavailable, match=r"recall@10 is 0\.500"):
        build.build_chroma(tmp_path / "next", None, chunks, vectors)


def test_an_empty_corpus_is_an_index_too(tmp_path: Path) -> None:
    nothing = np.empty((0, 16), dtype=np.float32)
    assert build.build_chroma(tmp_path / "next", None, [], nothing) == 1.0
    assert present(tmp_path / "next") == set()


def test_recall_counts_what_exact_search_would_have_found(monkeypatch: pytest.MonkeyPatch) -> None:
    chunks, vectors = corpus(range(40))
    ids = chroma.record_ids(chunks)

    def half_right(_records: Any, queries: np.ndarray, count: int) -> list[list[str]]:
        best = [np.argsort(-(vectors @ query)) for query in queries]
        half = count // 2
        return [[ids[row] for row in [*order[:half], *order[-half:]]] for order in best]

    monkeypatch.setattr(chroma, "nearest", half_right)
    assert build.recall(None, ids, vectors) == 0.5
