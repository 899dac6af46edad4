"""A tokenizer's file, laid out for a quick start: the vocabulary sorted, and no spaces.

`tokenizers` reads a vocabulary into a sorted map before anything else, and one that comes in order
is only appended to it. A start cannot do anything else meanwhile: reading it holds Python's lock.
"""

import json
from pathlib import Path

from tokenizers import Tokenizer

from warmup.checkpoint import UnpreparableError


def write(source: Path, target: Path) -> None:
    """Write the tokenizer `source` to `target`, quicker to read; raises UnpreparableError if it changed."""
    try:
        described = json.loads(source.read_bytes())
        vocabulary = described["model"]["vocab"]
        if isinstance(vocabulary, dict):  # a list has an order that means something
            described["model"]["vocab"] = dict(sorted(vocabulary.items()))
        target.write_text(json.dumps(described, ensure_ascii=False, separators=(",", ":")))
        same = (
            Tokenizer.from_file(str(source)).to_str() == Tokenizer.from_file(str(target)).to_str()
        )
    except Exception as error:  # tokenizers raises nothing narrower
        raise UnpreparableError(f"{source.name} cannot be read: {error}") from error
    if not same:
        raise UnpreparableError(f"{source.name} reads differently in another order")
