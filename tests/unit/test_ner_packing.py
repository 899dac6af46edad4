"""Rows that several texts share: as few tokens for nothing as can be, and who came first is first."""

import pytest

from functions.ner import packing


@pytest.mark.parametrize(
    ("sizes", "rows"),
    [
        ([128, 128, 128], [[0], [1], [2]]),
        ([100, 90, 40, 26], [[0, 3], [1, 2]]),
        ([5, 5, 5], [[0, 1, 2]]),
        ([500], [[0]]),
        ([500, 3], [[0], [1]]),
        ([60, 10, 50], [[0], [2, 1]]),
        ([64, 64, 64, 64], [[0], [1], [2], [3]]),
    ],
)
def test_rows_are_as_equal_as_can_be_and_short_where_that_costs_no_padding(
    sizes: list[int], rows: list[list[int]]
) -> None:
    assert packing.share_rows(sizes) == rows


def test_a_text_that_would_make_all_rows_longer_is_left_for_the_next_batch() -> None:
    assert packing.take([128, 128, 128], 384) == 3
    assert packing.take([128, 128, 30], 384) == 2


def test_as_many_as_fit_are_taken_where_none_is_in_the_way() -> None:
    assert packing.take([64] * 10, 384) == 6
    assert packing.take([32] * 20, 384) == 12


def test_one_text_is_taken_however_long() -> None:
    assert packing.take([600, 10], 384) == 1


def test_without_sharing_each_text_has_a_row_of_its_own() -> None:
    batch = packing.pack([[7, 8], [9]], share=False)
    assert batch.ids.tolist() == [[7, 8], [9, 0]]
    assert batch.texts.tolist() == [[1, 1], [1, 0]]
