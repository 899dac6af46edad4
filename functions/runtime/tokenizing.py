"""A release's tokenizer, which takes as long to read as a prepared model: opened ahead, like it."""

from pathlib import Path

from tokenizers import Tokenizer

from functions.runtime import ahead

FILE = "tokenizer.json"


def open_tokenizer(folder: Path) -> Tokenizer:
    """Open the tokenizer of the release in `folder`, or take the one that was opened ahead."""
    file = folder / FILE
    return ahead.take(file, lambda: Tokenizer.from_file(str(file)))


def open_ahead(folder: Path) -> None:
    """Open it for whoever calls `open_tokenizer` next."""
    file = folder / FILE
    ahead.keep(file, lambda: Tokenizer.from_file(str(file)))
