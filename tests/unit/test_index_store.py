"""Generations: immutable, swapped by compare-and-swap, three kept, none half-built."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from functions.index import generation
from functions.index.chunks import Chunk
from functions.index.metrics import tell_size
from functions.index.store import Busy, IndexStore, Superseded
from tests.support.index import told_size

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
NOW = datetime(2025, 1, 1, tzinfo=UTC)
CHUNK = Chunk("documents/a.md", "T", "2025-01-01", "", ("x",), 0, 5, "Text.")
MANIFEST = generation.Manifest(
    generation="",
    embedder=ONE,
    embedder_version="1.0.0",
    chunker="c",
    corpus="sha256:0",
    documents=1,
    chunks=1,
    embedded=1,
    recall=1.0,
    created_at="2025-01-01T00:00:00+00:00",
    skipped=(generation.Skipped("documents/b.pdf", "why"),),
)
CONTENT = generation.Content(
    chunks=(CHUNK,),
    vectors=np.ones((1, 4), dtype=np.float32),
    borders=np.array([0, 0], dtype=np.int64),
    sentences=np.empty((0, 4), dtype=np.float16),
)


@pytest.fixture
def store(tmp_path: Path) -> IndexStore:
    return IndexStore(tmp_path / "index")


@contextmanager
def built(store: IndexStore, day: int, embedder: str = ONE) -> Iterator[Path]:
    with store.building(NOW + timedelta(days=day)) as folder:
        name = folder.name.removeprefix(".building-")
        manifest = replace(MANIFEST, generation=name, embedder=embedder)
        generation.write(folder, manifest, CONTENT)
        yield folder


def publish(store: IndexStore, day: int, embedder: str = ONE) -> str:
    with built(store, day, embedder) as folder:
        return store.publish(folder, embedder, store.current(embedder))


def folders(store: IndexStore) -> list[str]:
    return sorted(path.name for path in (store.root / "generations").iterdir())


def test_before_the_first_generation_there_is_nothing_to_read(store: IndexStore) -> None:
    assert store.current(ONE) is None
    assert store.open(ONE) is None
    assert store.stamp(ONE) is None
    assert store.embedders() == []


def test_a_published_generation_reads_back_as_it_was_written(store: IndexStore) -> None:
    name = publish(store, 0)
    opened = store.open(ONE)
    assert opened is not None
    assert opened.manifest == replace(MANIFEST, generation=name)
    assert opened.content.chunks == (CHUNK,)
    assert not opened.content.vectors.flags.writeable


def test_each_embedder_has_its_own_current_generation(store: IndexStore) -> None:
    first, second = publish(store, 0), publish(store, 1, OTHER)
    assert (store.current(ONE), store.current(OTHER)) == (first, second)
    assert store.embedders() == [ONE, OTHER]


def test_of_two_builders_from_the_same_generation_one_wins(store: IndexStore) -> None:
    publish(store, 0)
    with built(store, 1) as folder, pytest.raises(Superseded):
        store.publish(folder, ONE, "the one before last")
    assert folders(store) == [store.current(ONE)]


def test_a_second_builder_is_told_that_one_is_at_work(store: IndexStore) -> None:
    with built(store, 0), pytest.raises(Busy), store.building(NOW):
        pass


def test_what_a_killed_builder_left_is_removed_by_the_next(store: IndexStore) -> None:
    (store.root / "generations" / ".building-20240101T000000Z-dead").mkdir(parents=True)
    assert folders(store) != []
    name = publish(store, 0)
    assert folders(store) == [name]


def test_a_builder_that_fails_leaves_nothing(store: IndexStore) -> None:
    with pytest.raises(RuntimeError), built(store, 0):
        raise RuntimeError
    assert folders(store) == []
    assert store.current(ONE) is None


def test_three_generations_are_kept_per_embedder(store: IndexStore) -> None:
    other = publish(store, 0, OTHER)
    names = [publish(store, day) for day in range(1, 6)]
    store.prune(ONE)
    assert folders(store) == sorted([other, *names[-3:]])


def test_the_current_generation_is_kept_even_when_it_is_old(store: IndexStore) -> None:
    names = [publish(store, day) for day in range(5)]
    store.swap(ONE, names[-1], names[0])
    store.prune(ONE)
    assert folders(store) == [names[0], *names[-2:]]


def test_going_back_is_a_swap_and_checks_what_is_current(store: IndexStore) -> None:
    old, new = publish(store, 0), publish(store, 1)
    before = store.stamp(ONE)
    with pytest.raises(Superseded):
        store.swap(ONE, old, old)
    store.swap(ONE, new, old)
    assert store.current(ONE) == old
    assert store.stamp(ONE) != before


def test_a_generation_of_another_embedder_never_becomes_current(store: IndexStore) -> None:
    other = publish(store, 0, OTHER)
    with pytest.raises(ValueError, match="another embedder"):
        store.swap(ONE, None, other)


def test_the_size_is_that_of_the_current_generation_whoever_made_it_so(store: IndexStore) -> None:
    tell_size(lambda: store.size(ONE))
    assert told_size() == 0
    with built(store, 0) as folder:
        rewrite(folder, chunks=7)
        first = store.publish(folder, ONE, None)
    assert told_size() == 7
    second = publish(store, 1)
    assert told_size() == 1
    store.swap(ONE, second, first)
    assert told_size() == 7
    publish(store, 2, OTHER)
    assert told_size() == 7
    assert store.size() == 1
    (store.path(first) / generation.MANIFEST).write_text("{")
    assert math.isnan(told_size())


def rewrite(folder: Path, chunks: int) -> None:
    manifest = replace(generation.read_manifest(folder), chunks=chunks)
    generation.write(folder, manifest, CONTENT)


def test_a_damaged_generation_is_refused(store: IndexStore) -> None:
    name = publish(store, 0)
    (store.path(name) / generation.CHUNKS).write_text("")
    with pytest.raises(ValueError, match="damaged"):
        store.open(ONE)
