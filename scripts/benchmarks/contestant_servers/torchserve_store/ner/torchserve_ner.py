"""The same pipeline behind TorchServe: what its archive holds."""  # noqa: INP001 - a program of its own

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).resolve().parents[2]))  # an archive is linked, not copied
import plain


class Server:
    """One worker, one model; TorchServe loads the only class here."""

    def initialize(self, _context: Any) -> None:
        """Load the model."""
        self.ner = plain.Ner()

    def handle(self, batch: Sequence[Any], _context: Any) -> list[dict[str, plain.Found]]:
        """Answer each `{"texts": [...]}` of a batch."""
        return [{"results": self.ner(one["body"]["texts"])} for one in batch]
