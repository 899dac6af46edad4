"""No text meets the same embedder twice."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from functions.embed_rebuild import vectors
from functions.embed_rebuild.vectors import VectorCache


@dataclass
class Hashing:
    """An embedder double: a vector from the text's hash, and a list of what it was asked."""

    digest: str = "sha256:1"
    version: str = "1.0.0"
    dimension: int = 8
    seen: list[str] = field(default_factory=list)
    fails_after: int = 1 << 30

    def embed(self, texts: Sequence[str]) -> np.ndarray:
        if len(self.seen) >= self.fails_after:
            raise OSError("out of memory")
        self.seen += texts
        seeds = [int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) for text in texts]
        return np.array(
            [np.random.default_rng(seed).normal(size=self.dimension) for seed in seeds],
            dtype=np.float32,
        )


def vectors_of(
    cache: VectorCache, embedder: Hashing, texts: Sequence[str]
) -> tuple[np.ndarray, list[bool]]:
    (found,) = cache.vectors(embedder, [texts])
    return found


@pytest.fixture
def cache(tmp_path: Path) -> VectorCache:
    return VectorCache(tmp_path / "vectors.sqlite")


def test_only_what_is_new_is_embedded_and_order_is_kept(cache: VectorCache) -> None:
    embedder = Hashing()
    first, fresh = vectors_of(cache, embedder, ["a", "b"])
    assert fresh == [True, True]
    again, fresh = vectors_of(cache, embedder, ["c", "b", "a"])
    assert fresh == [True, False, False]
    assert embedder.seen == ["a", "b", "c"]
    np.testing.assert_array_equal(again[[2, 1]], first)


def test_the_longest_texts_come_first_and_each_row_is_its_texts(cache: VectorCache) -> None:
    embedder = Hashing()
    texts = ["bb", "a", "dddd", "ccc"]
    found, _ = vectors_of(cache, embedder, texts)
    assert embedder.seen == ["dddd", "ccc", "bb", "a"]
    np.testing.assert_array_equal(found, Hashing().embed(texts))


def test_a_group_is_there_before_the_next_one_is_embedded(cache: VectorCache) -> None:
    embedder = Hashing()
    groups = cache.vectors(embedder, [["a", "b"], ["c", "a"]])
    assert next(groups)[1] == [True, True]
    assert embedder.seen == ["a", "b"]
    assert vectors.PROGRESS.labels()._value.get() == pytest.approx(2 / 3)
    assert next(groups)[1] == [True, False]
    assert vectors.PROGRESS.labels()._value.get() == 1


def test_a_text_that_stands_twice_is_embedded_once(cache: VectorCache) -> None:
    embedder = Hashing()
    found, _ = vectors_of(cache, embedder, ["a", "a"])
    assert embedder.seen == ["a"]
    np.testing.assert_array_equal(found[0], found[1])


def test_another_embedder_embeds_everything(cache: VectorCache) -> None:
    vectors_of(cache, Hashing(), ["a"])
    other = Hashing(digest="sha256:2")
    vectors_of(cache, other, ["a"])
    assert other.seen == ["a"]


def test_another_chunker_embeds_everything(
    cache: VectorCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors_of(cache, Hashing(), ["a"])
    monkeypatch.setattr(vectors, "CHUNKER", "sentences-v2")
    embedder = Hashing()
    vectors_of(cache, embedder, ["a"])
    assert embedder.seen == ["a"]


def test_a_run_that_dies_is_resumed_where_it_stopped(
    cache: VectorCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vectors, "BATCH", 2)
    with pytest.raises(OSError, match="out of memory"):
        vectors_of(cache, Hashing(fails_after=4), list("abcdef"))
    embedder = Hashing()
    vectors_of(cache, embedder, list("abcdef"))
    assert embedder.seen == ["e", "f"]


def test_vectors_of_texts_that_are_gone_are_forgotten(cache: VectorCache) -> None:
    other = Hashing(digest="sha256:2")
    vectors_of(cache, Hashing(), ["a", "b"])
    vectors_of(cache, other, ["a"])
    cache.keep(iter(["b"]), "sha256:1")
    embedder = Hashing()
    _, fresh = vectors_of(cache, embedder, ["a", "b"])
    assert fresh == [True, False]
    assert vectors_of(cache, other, ["a"])[1] == [False]


def test_no_texts_are_no_vectors(cache: VectorCache) -> None:
    found, fresh = vectors_of(cache, Hashing(), [])
    assert found.shape == (0, 8)
    assert fresh == []
