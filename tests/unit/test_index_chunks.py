"""Sentences and chunks: what is cut where."""

import pytest

from functions.index.chunks import Chunk, Document, chunks, quotable, sentences


def texts(text: str) -> list[str]:
    return [text[span.start : span.end] for span in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It cost 2.05 million. It sold.", ["It cost 2.05 million.", "It sold."]),
        ("Acme Inc. said so. Then it left.", ["Acme Inc. said so.", "Then it left."]),
        ("Made in the U.S. The rest is not.", ["Made in the U.S.", "The rest is not."]),
        ("Dr. Weber and J. Smith agree.", ["Dr. Weber and J. Smith agree."]),
        ('He said "Stop." Nobody did.', ['He said "Stop."', "Nobody did."]),
        ("売上は増加した。利益も増えた。", ["売上は増加した。", "利益も増えた。"]),
        ("# Title\n\nText here.", ["# Title", "Text here."]),
        ("- one\n- two", ["- one", "- two"]),
        ("Windows\r\n\r\nlines end so.", ["Windows", "lines end so."]),
        ("A line\nthat is wrapped. Next.", ["A line\nthat is wrapped.", "Next."]),
        ("Wait... what? Yes.", ["Wait...", "what?", "Yes."]),
        ("   ", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[str]) -> None:
    assert texts(text) == expected


def test_front_matter_is_no_part_of_any_chunk() -> None:
    text = "---\ntitle: T\n---\nThe body begins here."
    document = Document(id="d", title="T", text=text, body=text.index("The"))
    assert [chunk.text for chunk in chunks(document)] == ["The body begins here."]


def test_chunks_hold_whole_sentences_up_to_the_limit() -> None:
    document = Document(id="d", title="", text="One two. Three four. Five six. Seven.")
    assert [chunk.text for chunk in chunks(document, 20)] == [
        "One two. Three four.",
        "Five six. Seven.",
    ]


def test_a_sentence_over_the_limit_is_cut_at_white_space_where_there_is_any() -> None:
    document = Document(id="d", title="", text="aaa bbb ccc ddd" + " " + "x" * 25)
    assert [chunk.text for chunk in chunks(document, 10)] == [
        "aaa bbb",
        "ccc ddd",
        "x" * 10,
        "x" * 10,
        "x" * 5,
    ]


def test_the_title_is_embedded_with_every_chunk() -> None:
    chunk = Chunk("d", "Heat pumps", "", "", (), 0, 6, "Sales.")
    assert chunk.embedded_text == "Heat pumps\nSales."


def test_headings_and_scraps_are_not_quoted() -> None:
    text = "# A heading of some length here\n\nThis sentence is long enough to quote. Yes."
    (chunk,) = chunks(Document(id="d", title="", text=text))
    (span,) = quotable(chunk)
    assert text[span.start : span.end] == "This sentence is long enough to quote."
