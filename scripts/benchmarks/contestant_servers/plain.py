"""What all peers serve: the transformers pipeline, and its answer as JSON can hold it."""  # noqa: INP001 - beside programs of their own

import os
from collections.abc import Sequence
from typing import Any

from transformers import pipeline

Found = list[list[dict[str, Any]]]


class Ner:
    """The checkpoint, loaded; what comes together is one batch."""

    def __init__(self) -> None:
        folder = os.environ["MODEL_FOLDER"]
        self._run = pipeline("token-classification", model=folder, aggregation_strategy="simple")

    def __call__(self, texts: Sequence[str]) -> Found:
        """Return the entities of each text."""
        found = self._run(list(texts), batch_size=len(texts))
        return [[{**one, "score": float(one["score"])} for one in each] for each in found]
