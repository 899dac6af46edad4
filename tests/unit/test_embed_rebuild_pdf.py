"""PDFs are read within limits, or reported with the reason."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.embed_rebuild import pdf
from functions.embed_rebuild.documents import parse
from functions.index.chunks import chunks
from tests.support.pdf import encrypted, make

KEY = "documents/annual-report.pdf"
WHOLE = make([["Dealers sold 2.05 mil-", "lion e-bikes", "in 2024."], ["Prices fell."]])


def test_lines_flow_and_pages_stay_apart() -> None:
    (document,), skipped = parse(KEY, WHOLE)
    assert document.text == "Dealers sold 2.05 million e-bikes in 2024.\n\nPrices fell."
    assert (document.title, skipped) == ("annual report", [])
    for chunk in chunks(document):
        assert document.text[chunk.start : chunk.end] == chunk.text


def test_title_and_date_come_from_the_metadata() -> None:
    body = make([["Text."]], title="A  title", date="D:20250131093000+01'00'")
    (document,), _ = parse(KEY, body)
    assert (document.title, document.date) == ("A title", "2025-01-31")
    (odd,), _ = parse(KEY, make([["Text."]], date="yesterday"))
    assert odd.date == ""


def test_pages_past_the_limit_are_left_out_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MOST_PAGES", 2)
    (document,), (skip,) = parse(KEY, make([["One."], ["Two."], ["Three."]]))
    assert document.text == "One.\n\nTwo."
    assert (skip.document, skip.reason) == (KEY, "only 2 of its 3 pages are read")


def test_text_past_the_limit_is_left_out_and_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "MOST_CHARACTERS", 6)
    (document,), (skip,) = parse(KEY, make([["One."], ["Two."], ["Three."]]))
    assert document.text == "One.\n\n"
    assert skip.reason == "only 2 of its 3 pages are read"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (encrypted(WHOLE, "secret"), "encrypted"),
        (WHOLE[: len(WHOLE) // 3], "damaged"),
        (b"%PDF-1.7 " + b"\xff" * 500, "damaged"),
        (b"no pdf at all", "damaged"),
        (make([[], []]), "no text"),
    ],
    ids=["encrypted", "torn", "noise", "no pdf", "empty pages"],
)
def test_what_cannot_be_read_is_reported_with_the_reason(body: bytes, reason: str) -> None:
    documents, (skip,) = parse(KEY, body)
    assert documents == []
    assert reason in skip.reason


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(WHOLE) - 1), st.binary(min_size=1, max_size=20))
def test_a_damaged_file_is_read_or_reported_and_never_fails(place: int, noise: bytes) -> None:
    documents, skipped = parse(KEY, WHOLE[:place] + noise + WHOLE[place + len(noise) :])
    assert documents or skipped
