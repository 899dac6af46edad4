"""A golden set that measures nothing, or says what cannot be, is refused with the line that is wrong."""

import json

import pytest

from functions.registry.errors import Refused
from functions.registry.golden import Example, check_labels, parse

GOOD = {"text": "Anna met Bosch.", "entities": [{"start": 0, "end": 4, "label": "PER"}]}


def line(start: int, end: int) -> str:
    return json.dumps({**GOOD, "entities": [{"start": start, "end": end, "label": "PER"}]})


def test_texts_and_their_entities_are_read_and_empty_lines_are_not() -> None:
    document = f"{json.dumps(GOOD)}\n\n".encode()
    assert parse(document) == [Example("Anna met Bosch.", frozenset({(0, 4, "PER")}))]


@pytest.mark.parametrize(
    ("document", "why"),
    [
        ("", "has no text, so it measures nothing"),
        ("\n \n", "has no text"),
        ("no json", "line 1 is not"),
        ("[]", "line 1 is not"),
        (f"{json.dumps(GOOD)}\n{{}}", "line 2 is not .*'text'"),
        ('{"text": 7, "entities": []}', "line 1: text is not a text"),
        ('{"text": "a", "entities": [{"start": 0, "end": 1}]}', "line 1 is not .*'label'"),
        (line(0, 16), "line 1: PER from 0 to 16 is not inside its text of 15 characters"),
        (line(4, 4), "from 4 to 4"),
        (line(-1, 4), "from -1 to 4"),
    ],
)
def test_what_is_no_golden_set_is_refused_by_line(document: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        parse(document.encode())


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(Refused, match="is not UTF-8"):
        parse(b"\xff\xfe")


def test_a_set_for_other_labels_is_refused_and_one_of_more_labels_is_not() -> None:
    examples = [Example("a b", frozenset({(0, 1, "PERSON"), (2, 3, "LOC")}))]
    check_labels(examples, {"O", "B-LOC", "I-LOC"})
    check_labels([Example("a", frozenset())], {"O"})
    with pytest.raises(Refused, match="asks for LOC, PERSON; the model gives O, PER"):
        check_labels(examples, {"O", "B-PER", "I-PER"})
