"""What an open encoder model is, whatever runs it: token tensors in, one float array out."""

from typing import Any, Protocol

import numpy as np

# Written out: a start does without importing numpy.typing.
Tokens = np.ndarray[tuple[Any, ...], np.dtype[np.int64]]
Output = np.ndarray[tuple[Any, ...], np.dtype[np.float32]]


class Encoder(Protocol):
    """An open model. `run` blocks, so it belongs in a thread; one thread at a time is enough.

    The output is [batch, sequence, labels] for token classification and [batch, hidden] for an
    embedder, pooled and scaled to length one.
    """

    @property
    def name(self) -> str:
        """What runs the model: "onnxruntime", "openvino" or "torch"."""
        ...

    @property
    def proven(self) -> bool:
        """Whether it has already made an inference, and a right one."""
        ...

    @property
    def packs(self) -> bool:
        """Whether a row may hold several texts, for token classification."""
        ...

    def run(self, input_ids: Tokens, attention_mask: Tokens, token_type_ids: Tokens) -> Output:
        """Run one batch, padded to [batch, sequence]; the mask is 1 where a token is real.

        Where texts share a row, the mask numbers them from 1 within it.
        """
        ...


class UnusableForm(Exception):
    """A prepared form that must not answer; `reason` is a word for a metric.

    "unreadable", "parity", "memory", "missing" (what would run it), "unsupported" (by this CPU).
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
