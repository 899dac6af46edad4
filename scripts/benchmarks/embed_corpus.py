"""A corpus of short notes of any size for the benchmark of rebuilds: the same seed, the same bytes.

A note is one to three sentences of the demo corpus with other figures in them, so its length and its
words are those of prose, and hardly a sentence stands twice. Fifty notes are one JSONL object.
"""

import json
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from functions.embed_rebuild.documents import parse
from functions.index.chunks import Document, sentences
from scripts.push_documents import documents

CORPUS = Path(__file__).parents[1] / "corpus"
NOTES = 50
"""Notes in an object."""
LONGEST = 500
"""Characters of a note: it becomes one chunk."""
_FIGURE = re.compile(r"\d+")
_MONTHS = ("January", "March", "May", "July", "September", "November")


def objects(notes: int, seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield keys and bodies of objects that hold `notes` notes in all."""
    known = _sentences()
    for number, first in enumerate(range(0, notes, NOTES)):
        count = min(NOTES, notes - first)
        yield f"documents/notes-{number:04}.jsonl", body(known, number, count, seed)


def changed(notes: int, seed: int, share: float) -> list[tuple[str, bytes]]:
    """Return objects with about `share` of the notes, all of them written anew."""
    known, whole = _sentences(), list(range(0, notes, NOTES))
    chosen = random.Random(seed).sample(range(len(whole)), max(1, round(share * len(whole))))  # noqa: S311 - a choice of texts
    return [
        (
            f"documents/notes-{number:04}.jsonl",
            body(known, number, min(NOTES, notes - whole[number]), seed + 1),
        )
        for number in sorted(chosen)
    ]


def body(known: Sequence[tuple[str, str]], number: int, count: int, seed: int) -> bytes:
    """Return object `number` of `count` notes."""
    rng = random.Random(f"{seed}/{number}")  # noqa: S311 - texts, not secrets
    return "".join(_note(rng, known, place) for place in range(count)).encode()


def _note(rng: random.Random, known: Sequence[tuple[str, str]], place: int) -> str:
    title, first = rng.choice(known)
    text = _varied(rng, first)
    for _ in range(rng.choice((0, 0, 1, 1, 2))):
        further = f"{text} {_varied(rng, rng.choice(known)[1])}"
        text = further if len(further) <= LONGEST else text
    date = f"{rng.randint(2015, 2025)}-{rng.randint(1, 12):02}-{rng.randint(1, 28):02}"
    return json.dumps({"id": str(place), "title": title, "date": date, "text": text}) + "\n"


def _varied(rng: random.Random, sentence: str) -> str:
    if not _FIGURE.search(sentence):
        return f"As of {rng.choice(_MONTHS)} {rng.randint(1990, 2030)}: {sentence}"
    return _FIGURE.sub(lambda match: str(rng.randint(1, 10 ** len(match[0]))), sentence)


def _sentences() -> list[tuple[str, str]]:
    """Return the demo corpus's sentences, each with its document's title."""
    found: list[tuple[str, str]] = []
    for file in documents(CORPUS):
        for document in parse(file.name, file.read_bytes())[0]:
            found += [(document.title, text) for text in _prose(document)]
    return found


def _prose(document: Document) -> Iterator[str]:
    for span in sentences(document.text, document.body):
        text = document.text[span.start : span.end]
        if text[0] != "#" and 40 <= len(text) <= LONGEST:  # noqa: PLR2004 - no headings, no stubs
            yield text
