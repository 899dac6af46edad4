"""A golden set: texts with the entities that are in them, one JSON object a line, or it is refused. Pure.

Whoever publishes a release hears of a mistake before anything is uploaded, and a candidate with a set
that measures nothing passes no gate: what is read here is read by both.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from functions.registry.errors import Refused

Entity = tuple[int, int, str]


@dataclass(frozen=True, slots=True)
class Example:
    """A text, and the entities that are in it."""

    text: str
    entities: frozenset[Entity]


def parse(document: bytes) -> list[Example]:
    """Read a golden set; Refused names the line that is wrong."""
    try:
        lines = enumerate(document.decode().splitlines(), start=1)
    except UnicodeDecodeError as error:
        raise _refused(f"is not UTF-8: {error}") from error
    found = [_example(number, line) for number, line in lines if line.strip()]
    if not found:
        raise _refused("has no text, so it measures nothing")
    return found


def check_labels(examples: Collection[Example], known: Collection[str]) -> None:
    """Refuse a set of which no label is one that the model gives (`PER`, or `B-PER` and `I-PER`)."""
    asked = {label for example in examples for _, _, label in example.entities}
    given = {name.removeprefix("B-").removeprefix("I-") for name in known}
    if asked and not asked & given:
        words = f"asks for {', '.join(sorted(asked))}; the model gives {', '.join(sorted(given))}"
        raise _refused(words)


def _example(number: int, line: str) -> Example:
    try:
        raw = json.loads(line)
        text, entities = raw["text"], raw["entities"]
        found = frozenset(
            (int(one["start"]), int(one["end"]), str(one["label"])) for one in entities
        )
    except (ValueError, LookupError, TypeError) as error:
        shape = '{"text": …, "entities": [{"start", "end", "label"}, …]}'
        raise _refused(f"line {number} is not {shape}: {error!r}") from error
    _check_spans(number, text, found)
    return Example(text, found)


def _check_spans(number: int, text: Any, found: frozenset[Entity]) -> None:
    if not isinstance(text, str):
        raise _refused(f"line {number}: text is not a text")
    for start, end, label in sorted(found):
        if not 0 <= start < end <= len(text):
            where = (
                f"{label} from {start} to {end} is not inside its text of {len(text)} characters"
            )
            raise _refused(f"line {number}: {where}")


def _refused(why: str) -> Refused:
    return Refused(f"the golden set {why}", "bad_golden")
