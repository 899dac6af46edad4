"""One object of the bucket → the documents in it, or the reason why it cannot be read.

Pure. Offsets of citations count in `Document.text`: for Markdown and plain text that is the file
itself, for HTML and PDF the text that is read out of them, for JSON lines the line's `text`.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath
from typing import Any

from functions.embed_rebuild import html_text, pdf
from functions.index.chunks import Document
from functions.index.generation import Skipped

READER = "documents-v2"
"""Changes when the same bytes are read differently: then everything is read again."""
_FRONT_MATTER = re.compile(
    r"---[ \t]*\r?\n(?P<head>.*?)^---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE
)
_FIELD = re.compile(r"^(?P<name>[A-Za-z_]+):[ \t]*(?P<value>.*?)[ \t\r]*$", re.MULTILINE)
_HEADING = re.compile(r"^#[ \t]+(?P<title>.+?)[ \t#\r]*$", re.MULTILINE)


class UnreadableError(Exception):
    """Nothing here can be indexed; the message says why, for a person."""


def parse(key: str, body: bytes) -> tuple[list[Document], list[Skipped]]:
    """Read the object `key`: its documents, and what of it could not be read."""
    skipped: list[Skipped] = []
    try:
        found = _read(key, body, skipped)
    except UnreadableError as error:
        return [], [Skipped(key, str(error))]
    documents = [document for document in found if document.text[document.body :].strip()]
    if not documents and not skipped:
        skipped.append(Skipped(key, "it holds no text"))
    return documents, skipped


def _read(key: str, body: bytes, skipped: list[Skipped]) -> list[Document]:
    suffix = PurePosixPath(key).suffix.lower()
    if suffix == ".pdf":
        return [_pdf(key, body, skipped)]
    if suffix in (".html", ".htm"):
        return [_html(key, body)]
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(f"it is not UTF-8 text: byte {error.start}") from error
    if suffix == ".jsonl":
        return _json_lines(key, text, skipped)
    reader = READERS.get(suffix)
    if reader is None:
        raise UnreadableError(f"{suffix or 'a file without an ending'} is not a readable kind")
    return [reader(key, text)]


def _markdown(key: str, text: str) -> Document:
    match = _FRONT_MATTER.match(text)
    head = (
        {}
        if match is None
        else {m["name"].lower(): m["value"] for m in _FIELD.finditer(match["head"])}
    )
    body = 0 if match is None else match.end()
    heading = _HEADING.search(text, body)
    title = _unquoted(head.get("title", "")) or (heading["title"] if heading else _name(key))
    return Document(
        id=key,
        title=title,
        text=text,
        body=body,
        date=_unquoted(head.get("date", "")),
        source=_unquoted(head.get("source", "")),
        tags=_list(head.get("tags", "")),
    )


def _plain(key: str, text: str) -> Document:
    return Document(id=key, title=_name(key), text=text)


def _html(key: str, body: bytes) -> Document:
    page = html_text.read(body)
    return Document(id=key, title=page.title or _name(key), text=page.text, date=page.date)


def _pdf(key: str, body: bytes, skipped: list[Skipped]) -> Document:
    try:
        found = pdf.read(body)
    except pdf.UnreadablePdf as error:
        raise UnreadableError(str(error)) from error
    if found.cut:
        skipped.append(Skipped(key, found.cut))
    return Document(id=key, title=found.title or _name(key), text=found.text, date=found.date)


def _json_lines(key: str, text: str, skipped: list[Skipped]) -> list[Document]:
    documents: dict[str, Document] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            document = _record(key, number, line)
        except UnreadableError as error:
            skipped.append(Skipped(f"{key}#{number}", str(error)))
            continue
        if documents.setdefault(document.id, document) is not document:
            skipped.append(Skipped(f"{key}#{number}", f"another line is {document.id} already"))
    return list(documents.values())


def _record(key: str, number: int, line: str) -> Document:
    try:
        record = json.loads(line)
    except ValueError as error:
        raise UnreadableError("the line is not JSON") from error
    if not isinstance(record, Mapping) or not isinstance(record.get("text"), str):
        raise UnreadableError("the line is no object with a `text`")
    tags = record.get("tags")
    return Document(
        id=f"{key}#{_word(record, 'id') or number}",
        title=_word(record, "title"),
        text=record["text"],
        date=_word(record, "date"),
        source=_word(record, "source"),
        tags=tuple(str(tag) for tag in tags) if isinstance(tags, list) else (),
    )


READERS: Mapping[str, Callable[[str, str], Document]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".txt": _plain,
}


def _unquoted(value: str) -> str:
    quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    return value[1:-1] if quoted else value


def _list(value: str) -> tuple[str, ...]:
    items = value.strip().removeprefix("[").removesuffix("]").split(",")
    return tuple(_unquoted(item.strip()) for item in items if item.strip())


def _name(key: str) -> str:
    return PurePosixPath(key).stem.replace("-", " ").replace("_", " ")


def _word(record: Mapping[str, Any], field: str) -> str:
    value = record.get(field, "")
    return str(value) if isinstance(value, str | int) else ""
