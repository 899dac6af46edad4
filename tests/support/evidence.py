"""Sentences of small documents with vectors chosen by hand, as retrieval would return them."""

import numpy as np
import numpy.typing as npt

from functions.index.chunks import Document, chunks, quotable
from functions.inference.score import Sentence

QUERY: npt.NDArray[np.float32] = np.array([1, 0, 0, 0], dtype=np.float32)


def unit(*values: float) -> npt.NDArray[np.float32]:
    """Return a vector of length one."""
    vector = np.array([*values, *[0.0] * (4 - len(values))], dtype=np.float32)
    return vector / np.linalg.norm(vector)


def document(
    text: str, name: str = "documents/a.md", date: str = "2025-01-01", title: str = "A title"
) -> list[Sentence]:
    """Return the quotable sentences of a document of one chunk, each less near than the one before."""
    (chunk,) = chunks(Document(id=name, title=title, text=text, date=date))
    return [
        Sentence(chunk, span.start, span.end, text[span.start : span.end], unit(1, place), QUERY)
        for place, span in enumerate(quotable(chunk))
    ]
