"""Windows: every token judged once, by the window in which it is furthest from a border."""

import numpy as np
import pytest

from functions.ner.windows import Window, merge, plan


def test_a_text_that_fits_is_one_window() -> None:
    assert plan([0, 1, 1, 2], size=4, overlap=2) == [Window(0, 4, 0, 4)]


def test_no_text_needs_no_window() -> None:
    assert plan([], size=4, overlap=2) == []
    assert merge([], []).size == 0


def test_neighbours_share_the_overlap_and_split_it_in_the_middle() -> None:
    assert plan(list(range(16)), size=10, overlap=4) == [Window(0, 10, 0, 8), Window(6, 16, 8, 16)]


def test_windows_begin_and_end_between_words() -> None:
    words = [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    borders = {index for index in range(13) if index in (0, 12) or words[index] != words[index - 1]}
    for window in plan(words, size=7, overlap=3):
        assert {window.start, window.end, window.first, window.last} <= borders


def test_a_word_longer_than_a_window_is_cut() -> None:
    windows = plan([0] * 20, size=8, overlap=2)
    assert all(window.end - window.start <= 8 for window in windows)
    assert windows[-1].last == 20


@pytest.mark.parametrize("total", [1, 9, 10, 11, 57])
def test_merged_rows_are_the_tokens_in_order(total: int) -> None:
    windows = plan(list(range(total)), size=10, overlap=4)
    shown = [np.arange(w.start, w.end, dtype=np.float32)[:, None] for w in windows]
    assert merge(windows, shown)[:, 0].tolist() == list(range(total))
