"""Text → sentences → chunks, as character spans into the document.

Pure. `text[span.start:span.end]` is always the chunk or the sentence itself, so a citation can
point into the document; nothing but white space lies between neighbours, so nothing is lost.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

CHUNKER = "sentences-v1"  # part of every content key: change it when the cutting changes
CHUNK_CHARACTERS = 600  # about 130 word pieces, well inside MiniLM's 256
SHORTEST_QUOTE = 20
_NEVER_ENDS = frozenset(
    ("approx", "dr", "e.g", "est", "fig", "i.e", "mr", "mrs", "ms", "no", "prof", "st", "vs")
)
_ENDS_BEFORE_A_CAPITAL = frozenset(
    ("bros", "co", "corp", "dept", "etc", "inc", "jr", "ltd", "sr", "u.k", "u.s")
)
_BREAK = re.compile(
    r"[.!?]+[\"'\u201d\u2019)\]]*(?=\s)"  # the end of a sentence
    r"|[\u3002\uff01\uff1f]+"  # the same in Chinese and Japanese, where no space follows
    r"|\n[ \t\r]*\n\s*"  # an empty line
    r"|\n(?=[ \t]*(?:#|[-*] ))"  # a heading or a list item
)
_WORD_BEFORE = re.compile(r"([\w.]+)\.$")


@dataclass(frozen=True, slots=True)
class Span:
    """Characters `start` up to `end` of a text."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A readable document: offsets count from the start of `text`, its prose begins at `body`."""

    id: str
    title: str
    text: str
    body: int = 0
    date: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document with what a search result must show."""

    document: str
    title: str
    date: str
    source: str
    tags: tuple[str, ...]
    start: int
    end: int
    text: str

    @property
    def embedded_text(self) -> str:
        """What the embedder reads: the title says what a lone paragraph is about."""
        return f"{self.title}\n{self.text}" if self.title else self.text

    def fields(self) -> dict[str, Any]:
        """Return the fields by name; `asdict` copies each value, which thousands of chunks feel."""
        return {name: getattr(self, name) for name in self.__slots__}


def sentences(text: str, start: int = 0, end: int | None = None) -> list[Span]:
    """Cut `text[start:end]` into sentences, headings and list items, without outer white space."""
    stop = len(text) if end is None else end
    found: list[Span] = []
    begin = start
    for cut in _cuts(text, start, stop):
        span = _trimmed(text, begin, cut)
        if span is not None:
            found.append(span)
        begin = cut
    return found


def quotable(chunk: Chunk) -> list[Span]:
    """Cut a chunk into sentences worth quoting, as spans in the document; headings are not."""
    found = (
        Span(chunk.start + span.start, chunk.start + span.end) for span in sentences(chunk.text)
    )
    return [
        span
        for span in found
        if span.end - span.start >= SHORTEST_QUOTE and chunk.text[span.start - chunk.start] != "#"
    ]


def chunks(document: Document, limit: int = CHUNK_CHARACTERS) -> list[Chunk]:
    """Whole sentences, packed up to `limit` characters; a longer sentence is cut at white space."""
    pieces = [
        piece
        for sentence in sentences(document.text, document.body)
        for piece in _fitting(document.text, sentence, limit)
    ]
    return [_chunk(document, span) for span in _packed(pieces, limit)]


def _cuts(text: str, start: int, stop: int) -> Iterator[int]:
    for match in _BREAK.finditer(text, start, stop):
        before, after = (
            text[max(start, match.end() - 16) : match.end()],
            text[match.end() : match.end() + 4],
        )
        if not _is_abbreviation(before, after.lstrip()):
            yield match.end()
    yield stop


def _is_abbreviation(before: str, after: str) -> bool:
    """Tell `Acme Inc. said`, which goes on, from `in the U.S. The`, which ends."""
    word = _WORD_BEFORE.search(before)
    if word is None:
        return False
    name = word.group(1).lower()
    if name in _NEVER_ENDS or (len(name) == 1 and name.isalpha()):
        return True
    return name in _ENDS_BEFORE_A_CAPITAL and not after[:1].isupper()


def _trimmed(text: str, start: int, end: int) -> Span | None:
    piece = text[start:end]
    lead = len(piece) - len(piece.lstrip())
    kept = len(piece.strip())
    return Span(start + lead, start + lead + kept) if kept else None


def _fitting(text: str, span: Span, limit: int) -> Iterator[Span]:
    rest: Span | None = span
    while rest is not None and rest.end - rest.start > limit:
        window = text[rest.start : rest.start + limit + 1]
        space = max(window.rfind(blank) for blank in " \n\t")
        cut = rest.start + (space if space > 0 else limit)
        piece = _trimmed(text, rest.start, cut)
        if piece is not None:
            yield piece
        rest = _trimmed(text, cut, span.end)
    if rest is not None:
        yield rest


def _packed(pieces: list[Span], limit: int) -> list[Span]:
    packed: list[Span] = []
    for piece in pieces:
        if packed and piece.end - packed[-1].start <= limit:
            packed[-1] = Span(packed[-1].start, piece.end)
        else:
            packed.append(piece)
    return packed


def _chunk(document: Document, span: Span) -> Chunk:
    return Chunk(
        document=document.id,
        title=document.title,
        date=document.date,
        source=document.source,
        tags=document.tags,
        start=span.start,
        end=span.end,
        text=document.text[span.start : span.end],
    )
