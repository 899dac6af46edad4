"""A ner release, opened: tokenizer, encoder, tags; windows in, scores out.

What runs in which thread is the caller's business; nothing here awaits.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from functions.ner.decode import Entity, Pieces, Tags, entities
from functions.ner.packing import pack
from functions.ner.windows import Window, merge, plan
from functions.runtime.backends import DEFAULT, Form, open_encoder
from functions.runtime.encoder import Encoder, Output
from functions.runtime.errors import Unavailable
from functions.runtime.tokenizing import open_tokenizer

SPECIAL = 2
"""Tokens that a window adds: one before, one behind."""


@dataclass(frozen=True, slots=True)
class Job:
    """A text on its way: its pieces, and the windows whose tokens the model is to see."""

    text: str
    pieces: Pieces
    windows: Sequence[Window]

    def shown(self) -> list[Sequence[int]]:
        """Return each window's tokens."""
        return [self.pieces.ids[window.start : window.end] for window in self.windows]


@dataclass(frozen=True, slots=True)
class NerModel:
    """`window` and `overlap` are in tokens, special ones left out."""

    tokenizer: Tokenizer
    encoder: Encoder
    tags: Tags
    first: int
    last: int
    window: int
    overlap: int

    def read(self, text: str) -> Job:
        """Cut a text into tokens and windows."""
        encoding = self.tokenizer.encode(text, add_special_tokens=False)
        words = [-1 if word is None else word for word in encoding.word_ids]
        pieces = Pieces(encoding.ids, encoding.offsets, words)
        return Job(text, pieces, plan(pieces.words, self.window, self.overlap))

    def judge(self, windows: Sequence[Sequence[int]]) -> list[Output]:
        """Run one batch; returns a row of scores for each token of each window."""
        whole = [[self.first, *window, self.last] for window in windows]
        batch = pack(whole, share=self.encoder.packs)
        logits = self.encoder.run(batch.ids, batch.texts, np.zeros_like(batch.ids))
        return [logits[one.row, one.start + 1 : one.end - 1] for one in batch.places]

    def decode(self, job: Job, judged: Sequence[Output]) -> list[Entity]:
        """Read the entities of a text from its windows' scores."""
        return entities(job.text, job.pieces, merge(job.windows, judged), self.tags)

    def classes(self, job: Job, judged: Sequence[Output]) -> list[int]:
        """Return the likeliest tag's number for each token, special ones included."""
        rows = merge(job.windows, judged)
        found = rows.argmax(axis=-1).tolist() if len(rows) else []
        return [self.tags.outside, *found, self.tags.outside]

    def find(self, text: str) -> list[Entity]:
        """Do all of it for one text, here and now."""
        job = self.read(text)
        return self.decode(job, self.judge(job.shown()) if job.windows else [])


@dataclass(frozen=True, slots=True)
class Options:
    """How a release is opened; see the settings of the same names."""

    threads: int = 1
    device: str = "cpu"
    window: int = 126
    overlap: int = 32
    form: Form = DEFAULT


def open_model(path: Path, options: Options) -> NerModel:
    """Open the release folder `path`; raises Unavailable when it is no token classifier."""
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        names = {int(number): tag for number, tag in config["id2label"].items()}
    except (OSError, ValueError, KeyError) as error:
        raise Unavailable(f"{path.name} is not a token-classification release") from error
    tokenizer = open_tokenizer(path)
    tokenizer.no_truncation()
    tokenizer.no_padding()
    window = min(options.window, int(config["max_position_embeddings"]) - SPECIAL)
    return NerModel(
        tokenizer=tokenizer,
        encoder=open_encoder(path, options.threads, options.device, options.form),
        tags=Tags([names[number] for number in sorted(names)]),
        first=_token(tokenizer, "[CLS]"),
        last=_token(tokenizer, "[SEP]"),
        window=window,
        overlap=min(options.overlap, window // 2),
    )


def tokens(window: Sequence[int]) -> int:
    """Return how many tokens the model sees of a window."""
    return len(window) + SPECIAL


def _token(tokenizer: Tokenizer, name: str) -> int:
    number = tokenizer.token_to_id(name)
    if number is None:
        raise Unavailable(f"the tokenizer has no {name}")
    return int(number)
