"""The same pipeline behind BentoML."""  # noqa: INP001 - a program of its own

from typing import Any

import bentoml
import plain


@bentoml.service
class Ner:
    """One worker, one model."""

    def __init__(self) -> None:
        self.ner = plain.Ner()

    @bentoml.api  # type: ignore[untyped-decorator] # it ships no types
    def find(self, texts: list[str]) -> list[Any]:
        """Answer `{"texts": [...]}`."""
        return list(self.ner(texts))
