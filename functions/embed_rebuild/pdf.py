"""A PDF → its text, page after page, within limits; what cannot be read is said, never guessed.

Pure. Offsets count in the extracted text: lines of a paragraph joined, pages apart. pypdf is imported
when the first PDF comes, so a corpus without one never pays for it.
"""

import io
import logging
import re
from dataclasses import dataclass
from typing import Any

MOST_PAGES = 500
MOST_CHARACTERS = 2_000_000
"""Of one document; about a thousand dense pages. A page may unpack to any size."""
_SOFT_HYPHEN = re.compile(r"(?<=[a-zà-ÿ])-\n(?=[a-zà-ÿ])")
_LINE_END = re.compile(r"(?<=\S)[ \t]*\n[ \t]*(?=\S)")


class UnreadablePdf(Exception):
    """No text can be had; the message says why."""


@dataclass(frozen=True, slots=True)
class Pdf:
    """`cut` says what was left out, if anything was."""

    title: str
    date: str
    text: str
    cut: str = ""


def read(body: bytes) -> Pdf:
    """Extract the text; raises UnreadablePdf."""
    import pypdf  # noqa: PLC0415 - a fifth of a second that only corpora with PDFs pay

    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every oddity of every file
    try:
        reader = pypdf.PdfReader(io.BytesIO(body))
        found = None if reader.is_encrypted else _pdf(reader)
    except Exception as error:  # a damaged file can make the extractor fail in any way
        raise UnreadablePdf(f"it is damaged: {type(error).__name__}: {error}"[:200]) from error
    if found is None:
        raise UnreadablePdf("it is encrypted")
    return found


def _pdf(reader: Any) -> Pdf:
    pages, count, size = list[str](), len(reader.pages), 0
    for page in reader.pages[:MOST_PAGES]:
        pages.append(_flowing(page.extract_text()))
        size += len(pages[-1])
        if size > MOST_CHARACTERS:
            break
    cut = f"only {len(pages)} of its {count} pages are read" if len(pages) < count else ""
    metadata = reader.metadata or {}
    text = "\n\n".join(page for page in pages if page)[:MOST_CHARACTERS]
    return Pdf(" ".join(str(metadata.get("/Title") or "").split()), _date(metadata), text, cut)


def _flowing(text: str) -> str:
    """Join the lines of paragraphs and the words that a line's end parted; keep empty lines."""
    clean = text.replace("\x00", "").encode("utf-8", "ignore").decode()
    return _LINE_END.sub(" ", _SOFT_HYPHEN.sub("", clean)).strip()


def _date(metadata: Any) -> str:
    """Read `D:20250131…`, the form of dates in a PDF."""
    match = re.match(r"D:(\d{4})(\d\d)(\d\d)", str(metadata.get("/CreationDate") or ""))
    return "-".join(match.groups()) if match else ""
