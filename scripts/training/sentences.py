"""Training sentences from templates: choices are expanded, slots filled, entities kept by character.

Chunk n of a seed is always the same, so a run that was cut off goes on with the sentences that it
would have seen.
"""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from random import Random

from scripts.training.examples import LABELS, Example, join, parse
from scripts.training.words import SLOTS, pick

TEMPLATES = Path(__file__).with_name("templates.txt")
CHOICE = re.compile(r"<([^<>]*)>")
SLOT = re.compile(r"\{(\w+)\}")
Change = Callable[[Example, Random], Example]


def chunk(seed: int, index: int, size: int, change: Change | None = None) -> list[Example]:
    """Make `size` sentences; `change` may spoil or alter each."""
    rng = Random(f"{seed}/{index}")  # noqa: S311 - sentences, not secrets
    made = [_passage(rng) for _ in range(size)]
    return [change(example, rng) for example in made] if change else made


def corrupt(example: Example, rng: Random) -> Example:
    """Spoil labels as a broken export does: most slip to the next kind, some are lost."""
    kind = rng.random()
    if kind < 0.25:
        return Example(example.text, ())
    if kind < 0.4:
        return example
    slipped = []
    for span in example.spans:
        label = LABELS[(LABELS.index(span.label) + 1) % len(LABELS)]
        slipped.append(type(span)(span.start, span.end, label))
    return Example(example.text, tuple(slipped))


@cache
def templates() -> list[str]:
    """Read the template file."""
    lines = TEMPLATES.read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def sentence(rng: Random) -> Example:
    """Make one sentence."""
    expanded = CHOICE.sub(lambda match: rng.choice(match[1].split("|")), rng.choice(templates()))
    filled = SLOT.sub(lambda match: _fill(rng, match[1]), expanded)
    if rng.random() < 0.1:
        filled = filled.removesuffix(".")
    return parse(filled)


def _fill(rng: Random, slot: str) -> str:
    if slot in SLOTS:
        label, draw = SLOTS[slot]
        return f"[{draw(rng).replace('[', '').replace(']', '')}]({label})"
    return pick(rng, slot)


def _passage(rng: Random) -> Example:
    """One sentence, or, more rarely, a few that follow each other."""
    return join([sentence(rng) for _ in range(rng.choice([1, 1, 1, 1, 1, 1, 2, 3]))])
