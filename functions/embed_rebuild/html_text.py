"""A web page → what a reader sees of it, whatever state its markup is in.

Pure. Bytes are decoded as the page says, else as UTF-8, else as Windows-1252, which browsers assume. Tags that
are left open or closed in the wrong order hide no more than a browser would hide.
"""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

_CHARSET = re.compile(
    rb"<meta[^>]+charset\s*=\s*[\"']?\s*"
    rb"((?:utf|us-ascii|iso-|latin|windows-|cp|gb|big5|euc|shift|koi)[\w-]*)",
    re.IGNORECASE,
)
"""Encodings that pages have; Python knows others, some of them slow."""
_HEAD_BYTES = 2048
"""Where a page has to say its encoding, and a bit more."""
_BLOCKS = frozenset(
    tag
    for line in (
        "address article aside blockquote body br dd div dl dt figcaption footer form h1 h2 h3 h4 h5 h6",
        "header hr li main nav ol p pre section table td th tr ul",
    )
    for tag in line.split()
)
_HIDDEN = frozenset(("script", "style", "template", "noscript", "svg", "iframe", "object"))
_DATES = frozenset(("date", "article:published_time", "dc.date", "dcterms.date", "pubdate"))
_ISO_DATE = re.compile(r"\d{4}-\d\d-\d\d")


@dataclass(frozen=True, slots=True)
class Page:
    """The visible text, the title and the day of publication, as far as the page has them."""

    title: str
    date: str
    text: str


def read(body: bytes) -> Page:
    """Read a page; never fails."""
    parser = _Parser()
    parser.feed(_decoded(body))
    parser.close()
    visible = re.sub(r"[ \t\r\f\v]*\n\s*", "\n\n", "".join(parser.parts)).strip()
    return Page(" ".join("".join(parser.title).split()), parser.date, visible)


def _decoded(body: bytes) -> str:
    declared = _CHARSET.search(body[:_HEAD_BYTES])
    for name in (*([declared[1].decode("ascii")] if declared else []), "utf-8"):
        try:
            return body.decode(name).removeprefix("\ufeff")
        except (LookupError, UnicodeError):
            continue
    return body.decode("windows-1252", "replace")


class _Parser(HTMLParser):
    """Collects the visible text, the first title and the date."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.title: list[str] = []
        self.date = ""
        self._hidden: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden.append(tag)
        elif tag == "title":
            self._in_title = not self._hidden and not self.title
        elif tag == "meta":
            self._meta({name: value or "" for name, value in attrs})
        elif tag in _BLOCKS:
            self._in_title = False
            self.parts.append("\n")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _HIDDEN:  # `<svg/>` hides nothing
            self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._hidden:  # what was opened inside and left open ends with it
            del self._hidden[self._hidden.index(tag) :]
        elif tag == "title":
            self._in_title = False
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title.append(data)
        elif not self._hidden:
            self.parts.append(re.sub(r"\s+", " ", data))

    def _meta(self, attrs: dict[str, str]) -> None:
        name = (attrs.get("name") or attrs.get("property") or "").lower()
        found = _ISO_DATE.match(attrs.get("content", "")) if name in _DATES else None
        if found and not self.date:
            self.date = found[0]
