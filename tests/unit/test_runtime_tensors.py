"""The binary tensors of the Open Inference Protocol: a length is checked before it is believed."""

import pytest

from functions.runtime.errors import BadRequest
from functions.runtime.tensors import split


def test_json_and_what_comes_behind_it_are_told_apart() -> None:
    assert split(b"{}tail", "2") == (b"{}", b"tail")
    assert split(b"{}", None) == (b"{}", b"")


@pytest.mark.parametrize(
    "length", ["", "-1", "1.5", "x", "7", "9" * 19, "9" * 5000], ids=lambda text: text[:8]
)
def test_what_is_no_length_within_the_body_is_a_bad_request(length: str) -> None:
    with pytest.raises(BadRequest, match="no length within the body"):
        split(b"{}tail", length)
