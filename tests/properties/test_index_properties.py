"""What holds for every text: nothing is lost, every span slices back."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from functions.embed_rebuild.documents import parse
from functions.index.chunks import Document, chunks, quotable, sentences

TEXTS = st.text(
    st.sampled_from("aB9.!?,;:'\"()#- \t\r\n。é😀\u0301ß中ש\u2028\x00")
    | st.characters(codec="utf-8"),
    max_size=400,
)
LIMITS = st.integers(min_value=1, max_value=120)


def between(text: str, spans: list[tuple[int, int]]) -> str:
    borders = [0, *(border for span in spans for border in span), len(text)]
    pairs = zip(borders[::2], borders[1::2], strict=True)
    return "".join(text[start:end] for start, end in pairs)


@given(TEXTS)
def test_sentences_are_in_order_and_only_white_space_lies_between_them(text: str) -> None:
    spans = [(span.start, span.end) for span in sentences(text)]
    assert spans == sorted(spans)
    assert between(text, spans).strip() == ""


@given(TEXTS, LIMITS)
def test_chunks_cover_the_text_and_never_pass_the_limit(text: str, limit: int) -> None:
    found = chunks(Document(id="d", title="t", text=text), limit)
    assert all(0 < len(chunk.text) <= limit for chunk in found)
    assert between(text, [(chunk.start, chunk.end) for chunk in found]).strip() == ""


@given(TEXTS, LIMITS)
def test_a_chunk_and_its_quotes_slice_back_out_of_the_document(text: str, limit: int) -> None:
    for chunk in chunks(Document(id="d", title="t", text=text), limit):
        assert text[chunk.start : chunk.end] == chunk.text
        for span in quotable(chunk):
            assert text[span.start : span.end] in chunk.text


@given(TEXTS, LIMITS)
def test_two_neighbours_would_not_have_fitted_into_one_chunk(text: str, limit: int) -> None:
    found = chunks(Document(id="d", title="", text=text), limit)
    assert all(after.end - before.start > limit for before, after in pairwise(found))


@given(st.sampled_from(["a.md", "a.txt", "a.html", "a.jsonl", "a.pdf", "a", ".md"]), st.binary())
def test_any_bytes_are_read_or_skipped_with_a_reason(key: str, body: bytes) -> None:
    documents, skipped = parse(key, body)
    assert documents or skipped or key == "a.jsonl"
    assert all(skip.reason for skip in skipped)
    assert all(document.text[document.body :].strip() for document in documents)
