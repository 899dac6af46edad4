"""The same pipeline behind BentoML."""  # noqa: INP001 - a program of its own

import os

import bentoml
from transformers import pipeline


@bentoml.service
class Ner:
    """One worker, one model."""

    def __init__(self) -> None:
        folder = os.environ["MODEL_FOLDER"]
        self.ner = pipeline("token-classification", model=folder, aggregation_strategy="simple")

    @bentoml.api  # type: ignore[untyped-decorator] # it ships no types
    def find(self, texts: list[str]) -> list[str]:
        """Answer `{"texts": [...]}`."""
        return [str(found) for found in self.ner(texts)]
