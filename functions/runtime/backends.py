"""One way to run an encoder model, whatever runs it: token tensors in, one float array out.

On a CPU the release's prepared form is run by ONNX Runtime; a release without one, or a GPU, is
run by torch, which is imported only then. Callers see no difference but `name`.
"""

from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Tokens = npt.NDArray[np.int64]
Output = npt.NDArray[np.float32]
PREPARED = Path("onnx") / "model.onnx"


class Encoder(Protocol):
    """An open model. `run` blocks, so it belongs in a thread; one thread at a time is enough.

    The output is [batch, sequence, labels] for token classification and [batch, hidden] for an
    embedder, pooled and scaled to length one.
    """

    @property
    def name(self) -> str:
        """What runs the model: "onnxruntime" or "torch"."""
        ...

    def run(self, input_ids: Tokens, attention_mask: Tokens, token_type_ids: Tokens) -> Output:
        """Run one batch, padded to [batch, sequence]; the mask is 1 where a token is real."""
        ...


def open_encoder(path: Path, threads: int, device: str = "cpu") -> Encoder:
    """Open the release folder `path`; `threads` 0 leaves their number to the backend.

    `device` is "cpu", "cuda" or "cuda:N".
    """
    if device == "cpu" and (path / PREPARED).exists():
        from functions.runtime.backends_onnx import OnnxEncoder  # noqa: PLC0415 - one is enough

        return OnnxEncoder(path / PREPARED, threads)
    from functions.runtime.backends_torch import TorchEncoder  # noqa: PLC0415 - seconds to import

    return TorchEncoder(path, threads, device)
