"""A budget of cold start names phases and seconds, and refuses what was measured above them."""

import pytest

from warmup.budget import BudgetInvalid, over, parse

START = {"process": 0.05, "import": 0.3, "load": 0.1}


@pytest.mark.parametrize(
    ("budget", "said"),
    [
        ({}, ()),
        ({"total": 0.5, "import": 0.3}, ()),
        ({"total": 0.4}, ("total took 0.45 s, 0.4 s allowed",)),
        ({"import": 0.2, "load": 0.2}, ("import took 0.30 s, 0.2 s allowed",)),
        ({"fetch": 0.001}, ()),
    ],
)
def test_what_took_longer_than_allowed_is_named(
    budget: dict[str, float], said: tuple[str, ...]
) -> None:
    assert over(START, parse(budget)) == said


def test_a_start_that_was_not_measured_is_not_refused() -> None:
    assert over({}, {"total": 0.1}) == ()


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ([], "object"),
        ({"lunch": 1}, "'lunch'"),
        ({"load": "1"}, "load"),
        ({"load": True}, "load"),
        ({"load": 0}, "load"),
        ({"load": float("nan")}, "load"),
    ],
)
def test_a_budget_that_is_none_is_refused_by_name(value: object, named: str) -> None:
    with pytest.raises(BudgetInvalid, match=named):
        parse(value)
