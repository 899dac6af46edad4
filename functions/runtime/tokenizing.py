"""A release's tokenizer, which takes as long to read as a prepared model: opened ahead, like it."""

from pathlib import Path

from tokenizers import Tokenizer

from functions.runtime import ahead
from warmup import forms


def open_tokenizer(folder: Path) -> Tokenizer:
    """Open the tokenizer of the release in `folder`, or take the one that was opened ahead."""
    file = _file(folder)
    return ahead.take(file, lambda: Tokenizer.from_file(str(file)))


def open_ahead(folder: Path) -> None:
    """Open it for whoever calls `open_tokenizer` next."""
    file = _file(folder)
    ahead.keep(file, lambda: Tokenizer.from_file(str(file)))


def _file(folder: Path) -> Path:
    """Return the file that is read most quickly; what was prepared earlier has one."""
    prepared = folder / forms.FOLDER / forms.TOKENIZER
    return prepared if prepared.exists() else folder / forms.TOKENIZER
