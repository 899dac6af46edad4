"""Objects of the bucket become documents, or a reason why not."""

import json

import pytest

from functions.embed_rebuild.documents import parse


def test_markdown_front_matter_gives_title_date_source_and_tags() -> None:
    body = b'---\ntitle: "A: B"\ndate: 2024-05-01\nsource: Desk\ntags: [x, "y z"]\n---\n\nText.\n'
    (document,), skipped = parse("documents/a.md", body)
    assert (document.title, document.date, document.source) == ("A: B", "2024-05-01", "Desk")
    assert document.tags == ("x", "y z")
    assert document.text == body.decode()
    assert document.text[document.body :].strip() == "Text."
    assert skipped == []


def test_markdown_without_front_matter_takes_its_first_heading_as_title() -> None:
    (document,), _ = parse("documents/a.md", b"# The heading #\n\nText.")
    assert document.title == "The heading"


def test_a_rule_of_dashes_inside_the_text_is_no_front_matter() -> None:
    (document,), _ = parse("documents/my-file.md", b"Text.\n\n---\n\nMore.")
    assert (document.title, document.body) == ("my file", 0)


def test_html_keeps_what_a_reader_sees() -> None:
    page = b"""<html><head><title> Big\n news </title><meta name="date" content="2025-01-02">
    <style>p {}</style><script>var x = "<p>no</p>"</script></head>
    <body><h1>Head</h1><p>One &amp; two<br>three</p><ul><li>a<li>b</ul></body></html>"""
    (document,), _ = parse("documents/p.html", page)
    assert (document.title, document.date) == ("Big news", "2025-01-02")
    assert document.text == "Head\n\nOne & two\n\nthree\n\na\n\nb"


def test_each_json_line_is_a_document_and_a_bad_one_stops_no_other() -> None:
    lines = [
        json.dumps({"id": "one", "text": "First.", "title": "T", "tags": ["a"]}),
        "not json",
        "",
        json.dumps({"title": "no text"}),
        json.dumps({"text": "Second."}),
        json.dumps({"id": "one", "text": "Again."}),
    ]
    documents, skipped = parse("documents/d.jsonl", "\n".join(lines).encode())
    assert [document.id for document in documents] == [
        "documents/d.jsonl#one",
        "documents/d.jsonl#5",
    ]
    assert [skip.document for skip in skipped] == [
        "documents/d.jsonl#2",
        "documents/d.jsonl#4",
        "documents/d.jsonl#6",
    ]


@pytest.mark.parametrize(
    ("key", "body", "reason"),
    [
        ("documents/a.pdf", b"%PDF-1.7", "damaged"),
        ("documents/a.docx", b"PK", "not a readable kind"),
        ("documents/a", b"text", "without an ending"),
        ("documents/a.txt", b"\xff\xfe\x00", "not UTF-8"),
        ("documents/a.md", b"---\ntitle: x\n---\n \n", "no text"),
        ("documents/a.jsonl", b"\n\n", "no text"),
    ],
)
def test_what_cannot_be_read_is_skipped_with_the_reason(key: str, body: bytes, reason: str) -> None:
    documents, (skip,) = parse(key, body)
    assert documents == []
    assert skip.document == key
    assert reason in skip.reason
