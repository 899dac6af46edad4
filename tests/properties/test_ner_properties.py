"""What holds for every text: offsets slice back, windows change nothing, answers never mix."""

import asyncio
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.ner import packing
from functions.ner.decode import Entity
from functions.ner.model import NerModel, Options, open_model, tokens
from functions.ner.windows import merge, plan
from functions.runtime.batching import Batcher, Limits
from functions.runtime.encoder import Output, Tokens
from tests.support.tiny_bert import TAGS, write_ner

TEXTS = st.text(
    st.one_of(
        st.characters(exclude_categories=["Cs"]),
        st.sampled_from("ab z.,%$€\t\r\n半導体é\u0301\u200d🍫👩🏽‍🔬אב"),
    ),
    max_size=200,
)


class Local:
    """A model that sees each token alone: whatever window shows it, it says the same."""

    name = "local"
    packs = True

    def run(self, input_ids: Tokens, attention_mask: Tokens, token_type_ids: Tokens) -> Output:
        """Score tags by the token's number."""
        del attention_mask, token_type_ids
        return np.eye(len(TAGS), dtype=np.float32)[input_ids % len(TAGS)] * 4


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> NerModel:
    folder = write_ner(tmp_path_factory.mktemp("ner") / "ner-v1.0.0")
    (folder / "onnx").mkdir()
    from warmup import bert_graph, checkpoint  # noqa: PLC0415 - onnx: only when this fixture runs

    bert_graph.write(checkpoint.read(folder), "token-classification", folder / "onnx/model.onnx")
    return open_model(folder, Options(window=20, overlap=8))


def with_window(model: NerModel, size: int, overlap: int) -> NerModel:
    return NerModel(model.tokenizer, Local(), model.tags, model.first, model.last, size, overlap)


@given(TEXTS)
def test_offsets_slice_back_to_the_entitys_text(model: NerModel, text: str) -> None:
    reached = 0
    for entity in model.find(text):
        assert reached <= entity.start < entity.end <= len(text)
        assert text[entity.start : entity.end] == entity.text
        assert 0 <= entity.score <= 1
        reached = entity.end


@given(TEXTS, st.integers(4, 60), st.integers(0, 30))
def test_windows_give_what_one_window_gives(
    model: NerModel, text: str, size: int, overlap: int
) -> None:
    whole = with_window(model, 10_000, 0).find(text)
    assert with_window(model, size, min(overlap, size // 2)).find(text) == whole


@given(st.lists(st.integers(1, 9), max_size=60), st.integers(2, 30), st.integers(0, 15))
def test_windows_are_bounded_and_speak_for_each_token_once(
    lengths: list[int], size: int, overlap: int
) -> None:
    words = [number for number, length in enumerate(lengths) for _ in range(length)]
    windows = plan(words, size, min(overlap, size // 2))
    shown = [np.arange(w.start, w.end, dtype=np.float32)[:, None] for w in windows]
    assert all(w.start <= w.first <= w.last <= w.end <= w.start + size for w in windows)
    assert merge(windows, shown).ravel().tolist() == list(range(len(words)))


SIZES = st.lists(st.integers(1, 300), min_size=1, max_size=40)


@given(SIZES, st.integers(1, 1000))
def test_a_batch_is_what_came_first_within_its_bound(sizes: list[int], most: int) -> None:
    count = packing.take(sizes, most)
    assert 1 <= count <= len(sizes)
    assert count == 1 or sum(sizes[:count]) <= most


@given(SIZES)
def test_each_text_has_one_place_in_a_row_and_shares_no_token_of_it(sizes: list[int]) -> None:
    sequences = [[number] * size for number, size in enumerate(sizes, 1)]
    batch = packing.pack(sequences, share=True)
    for sequence, place in zip(sequences, batch.places, strict=True):
        assert batch.ids[place.row, place.start : place.end].tolist() == sequence
        assert (batch.texts[place.row] == place.text).sum() == len(sequence)
    assert (batch.texts > 0).sum() == sum(sizes)


@given(SIZES)
def test_no_row_is_longer_than_an_even_share_and_one_text(sizes: list[int]) -> None:
    batch = packing.pack([[1] * size for size in sizes], share=True)
    rows, length = batch.ids.shape
    assert length <= sum(sizes) / rows + max(sizes)
    assert length == max(sizes) or rows * length <= sum(sizes) + rows * max(packing.ROWS) + max(
        sizes
    )


@settings(deadline=None, max_examples=30)
@given(st.lists(st.lists(TEXTS, max_size=4), min_size=1, max_size=8))
def test_batching_never_mixes_answers(model: NerModel, requests: list[list[str]]) -> None:
    alone = [[model.find(text) for text in texts] for texts in requests]
    assert [similar(one) for one in asyncio.run(together(model, requests))] == [
        similar(one) for one in alone
    ]


async def together(model: NerModel, requests: list[list[str]]) -> list[list[list[Entity]]]:
    async with Batcher[Sequence[int], Output](
        model.judge, tokens, Limits(64), packing.take
    ) as batcher:

        async def ask(texts: list[str]) -> list[list[Entity]]:
            jobs = [model.read(text) for text in texts]
            rows = iter(await batcher.submit([w for job in jobs for w in job.shown()], 30))
            return [model.decode(job, [next(rows) for _ in job.windows]) for job in jobs]

        return list(await asyncio.gather(*map(ask, requests)))


def similar(answers: list[list[Entity]]) -> list[list[tuple[str, str, int, int]]]:
    """Leave the score out: its last digit depends on the batch's shape."""
    return [[(one.text, one.label, one.start, one.end) for one in answer] for answer in answers]
