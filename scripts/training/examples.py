"""A sentence and its entities, by character; the markup in which people write them down.

`[Nestlé](ORG) grew [4.2 %](PERCENT)` reads as "Nestlé grew 4.2 %" with two entities.
"""

import re
from dataclasses import dataclass
from pathlib import Path

LABELS = ("PER", "ORG", "LOC", "PRODUCT", "MONEY", "PERCENT", "DATE")
TAGS = ("O", *(f"{prefix}-{label}" for label in LABELS for prefix in "BI"))
MARKED = re.compile(r"\[([^\]]+)\]\((" + "|".join(LABELS) + r")\)")
GOLDEN = Path(__file__).with_name("golden.md")


@dataclass(frozen=True, slots=True)
class Span:
    """`text[start:end]` is a `label`."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Example:
    """Spans are in order and do not overlap."""

    text: str
    spans: tuple[Span, ...]


def parse(marked: str) -> Example:
    """Read one sentence of the markup."""
    text, spans, position = "", [], 0
    for match in MARKED.finditer(marked):
        text += marked[position : match.start()]
        spans.append(Span(len(text), len(text) + len(match[1]), match[2]))
        text += match[1]
        position = match.end()
    return Example(text + marked[position:], tuple(spans))


def join(examples: list[Example]) -> Example:
    """Put sentences one after the other, with a space between."""
    text, spans = "", list[Span]()
    for example in examples:
        offset = len(text) + bool(text)
        text = f"{text} {example.text}" if text else example.text
        spans += [Span(s.start + offset, s.end + offset, s.label) for s in example.spans]
    return Example(text, tuple(spans))


def golden() -> list[Example]:
    """Read the hand-written golden set: the sentences below its first section heading."""
    body = GOLDEN.read_text(encoding="utf-8").split("\n## ", 1)[1]
    return [parse(line[2:].strip()) for line in body.splitlines() if line.startswith("- ")]
