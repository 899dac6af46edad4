"""Pages as they are found: badly closed, oddly encoded, and full of what nobody sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.embed_rebuild.html_text import read


@pytest.mark.parametrize(
    ("markup", "text"),
    [
        ("<p>a<noscript><template>x</noscript><p>b", "a\n\nb"),
        ("<p>a</script></p><p>b", "a\n\nb"),
        ("<p>a<svg/>b", "ab"),
        ("<p>a<svg><title>icon</title></svg>b", "ab"),
        ("<p>a<script>if (1 < 2) { '</p>' }</script>b", "ab"),
        ("a &amp; b &lt;c&gt; &#8364; &nosuch;", "a & b <c> € &nosuch;"),
        ("<p>a<!-- <p>hidden</p> -->b", "ab"),
        ("<div><div><div>deep", "deep"),
        ("<P>A</P><BR><P>B", "A\n\nB"),
    ],
)
def test_only_what_a_reader_sees_is_kept(markup: str, text: str) -> None:
    assert read(markup.encode()).text == text


def test_only_the_first_title_counts() -> None:
    assert read(b"<title>One</title><title>Two</title><p>x").title == "One"


@pytest.mark.parametrize(
    ("head", "date"),
    [
        ('<meta name="Date" content="2025-01-02">', "2025-01-02"),
        ('<meta content="2025-01-02T10:00:00Z" property="article:published_time">', "2025-01-02"),
        ('<meta name="date" content="last week">', ""),
        ('<meta name="author" content="2025-01-02">', ""),
        ("<meta name=date>", ""),
    ],
)
def test_the_date_is_the_one_that_the_page_states(head: str, date: str) -> None:
    assert read(f"<head>{head}</head><p>x".encode()).date == date


@pytest.mark.parametrize(
    "body",
    [
        "<p>Müller &amp; Söhne: 5 €".encode(),
        b"\xef\xbb\xbf" + "<p>Müller &amp; Söhne: 5 €".encode(),
        '<meta charset="windows-1252"><p>Müller & Söhne: 5 €'.encode("cp1252"),
        "<p>Müller & Söhne: 5 €".encode("cp1252"),
        '<meta charset="hex"><p>Müller & Söhne: 5 €'.encode(),
        '<meta charset="no-such-thing"><p>Müller & Söhne: 5 €'.encode(),
        '<meta http-equiv="Content-Type" content="text/html; charset=iso-8859-15">'
        "<p>Müller & Söhne: 5 €".encode("iso-8859-15"),
    ],
)
def test_the_encoding_is_the_one_that_the_page_states_or_what_browsers_assume(body: bytes) -> None:
    assert read(body).text == "Müller & Söhne: 5 €"


@given(st.binary(max_size=300) | st.text("<>/!-abp script&;#\"'=", max_size=120).map(str.encode))
def test_no_page_fails(body: bytes) -> None:
    page = read(body)
    assert "\n " not in page.text
