"""A research request is read strictly; each refusal names the field."""

import json

import pytest

from functions.inference.schema import Filters, ResearchRequest, parse_research
from functions.runtime.errors import BadRequest, Invalid


def test_a_question_alone_is_enough() -> None:
    assert parse_research(b'{"question": "  why? "}') == ResearchRequest("why?")


def test_every_field_is_read() -> None:
    body = {
        "question": "q",
        "top_k": 3,
        "stream": True,
        "filters": {"date_from": "2024", "date_to": "2025-06", "source": "s", "tags": ["t"]},
    }
    expected = ResearchRequest("q", 3, stream=True, filters=Filters("2024", "2025-06", "s", ("t",)))
    assert parse_research(json.dumps(body).encode()) == expected


@pytest.mark.parametrize("body", [b"", b"x", b"[]", b'"q"', b"\xff", b"[" * 100_000])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(BadRequest):
        parse_research(body)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "question"),
        ({"question": " "}, "question"),
        ({"question": 1}, "question"),
        ({"question": "x" * 2001}, "question"),
        ({"question": "\ud800"}, "question"),
        ({"question": "q", "top_k": 0}, "top_k"),
        ({"question": "q", "top_k": True}, "top_k"),
        ({"question": "q", "top_k": 51}, "top_k"),
        ({"question": "q", "stream": "yes"}, "stream"),
        ({"question": "q", "topk": 1}, "topk"),
        ({"question": "q", "filters": []}, "filters"),
        ({"question": "q", "filters": {"date": "2024"}}, "filters.date"),
        ({"question": "q", "filters": {"date_from": "May"}}, "filters.date_from"),
        ({"question": "q", "filters": {"source": 1}}, "filters.source"),
        ({"question": "q", "filters": {"tags": "t"}}, "filters.tags"),
        ({"question": "q", "filters": {"tags": ["t"] * 21}}, "filters.tags"),
    ],
)
def test_a_value_that_is_not_acceptable_is_named(body: dict[str, object], field: str) -> None:
    with pytest.raises(Invalid, match=f"`{field}`"):
        parse_research(json.dumps(body).encode())
