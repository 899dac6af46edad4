"""Going back: to the generation before, or to one that is named and kept."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from functions.embed_rebuild.rollback import Wanted, choose, kept, parse, roll_back
from functions.index import generation
from functions.index.store import IndexStore
from functions.runtime.errors import ApiError, BadRequest, Conflict, Invalid, NotFound

ONE, OTHER = "sha256:" + "1" * 64, "sha256:" + "2" * 64
START = datetime(2025, 1, 1, tzinfo=UTC)
EMPTY = generation.Content(
    chunks=(),
    vectors=np.empty((0, 4), dtype=np.float32),
    borders=np.zeros(1, dtype=np.int64),
    sentences=np.empty((0, 4), dtype=np.float16),
)
MANIFEST = generation.Manifest(
    generation="",
    embedder=ONE,
    embedder_version="1.0.0",
    chunker="c",
    corpus="sha256:0",
    documents=0,
    chunks=0,
    embedded=0,
    recall=1.0,
    created_at="2025-01-01T00:00:00+00:00",
)


@pytest.fixture
def store(tmp_path: Path) -> IndexStore:
    return IndexStore(tmp_path)


def publish(store: IndexStore, microseconds: int, embedder: str = ONE) -> str:
    with store.building(START + timedelta(microseconds=microseconds)) as folder:
        name = folder.name.removeprefix(".building-")
        generation.write(folder, replace(MANIFEST, generation=name, embedder=embedder), EMPTY)
        return store.publish(folder, embedder, store.current(embedder))


def test_without_a_name_it_is_the_one_before_and_again_the_one_before_that(
    store: IndexStore,
) -> None:
    first, second, third = (publish(store, number) for number in range(3))
    assert roll_back(store, Wanted()) == {
        "embedder": ONE,
        "generation": second,
        "replaced": third,
    }
    assert roll_back(store, Wanted())["generation"] == first
    with pytest.raises(NotFound, match="no older one"):
        roll_back(store, Wanted())


def test_a_name_leads_forward_again(store: IndexStore) -> None:
    publish(store, 0)
    last = publish(store, 1)
    roll_back(store, Wanted())
    roll_back(store, Wanted(generation=last))
    assert store.current(ONE) == last
    assert [one["current"] for one in kept(store)] == [True, False]


def test_what_is_not_kept_or_current_already_is_refused(store: IndexStore) -> None:
    name = publish(store, 0)
    with pytest.raises(NotFound, match="not kept"):
        roll_back(store, Wanted(generation="20240101T000000Z-x"))
    with pytest.raises(Conflict):
        roll_back(store, Wanted(generation=name))
    with pytest.raises(NotFound, match="for this embedder"):
        roll_back(store, Wanted(embedder=OTHER))


def test_with_two_embedders_one_has_to_be_named(store: IndexStore) -> None:
    with pytest.raises(NotFound, match="no index yet"):
        roll_back(store, Wanted())
    first = publish(store, 0)
    publish(store, 1)
    publish(store, 2, OTHER)
    with pytest.raises(Invalid, match=OTHER):
        roll_back(store, Wanted())
    assert roll_back(store, Wanted(embedder=ONE))["generation"] == first


def test_another_embedders_generation_is_never_chosen() -> None:
    with pytest.raises(NotFound):
        choose([], "20250101", "")


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"x", BadRequest),
        (b"[]", BadRequest),
        (b'{"generation": 1}', Invalid),
        (b'{"to": "x"}', Invalid),
    ],
)
def test_a_malformed_request_is_refused(body: bytes, error: type[ApiError]) -> None:
    with pytest.raises(error):
        parse(body)
    assert parse(b"") == parse(b"{}") == Wanted()
