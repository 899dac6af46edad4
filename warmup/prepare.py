"""A release is prepared once, so that no start has to: checkpoint folder in, `onnx/` beside it.

The prepared form is compared with the checkpoint before anybody can see it; one that is too far
away is thrown out and the checkpoint stays as it is. Preparing the same checkpoint again gives the
same bytes, so a release keeps its digest.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from warmup import bert_graph, checkpoint, parity
from warmup.checkpoint import UnpreparableError
from warmup.parity import Parity

FOLDER = "onnx"
MODEL = "model.onnx"
MARGIN = 1e-3  # largest difference of one logit or embedding component, in float32
AGREEMENT = 0.999  # share of decisions that must be the same


@dataclass(frozen=True, slots=True)
class PreparedForm:
    """What `prepare` wrote: paths relative to the release, and how true it is to the checkpoint."""

    files: tuple[str, ...]
    parity: Parity

    def metrics(self) -> dict[str, float]:
        """For the manifest's `metrics`."""
        return {f"parity_{name}": value for name, value in asdict(self.parity).items()}


def prepare(folder: Path, task: str) -> PreparedForm:
    """Write `folder`/onnx; raises UnpreparableError and leaves `folder` as it was otherwise.

    `task` is "token-classification" (output `logits`, [batch, sequence, labels]) or
    "feature-extraction" (output `embedding`, [batch, hidden]: pooled and normalised as the
    checkpoint's modules say).
    """
    source = checkpoint.read(folder)
    fresh = folder / f".{FOLDER}"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir()
    try:
        bert_graph.write(source, task, fresh / MODEL)
        measured = parity.measure(folder, task, source, fresh / MODEL)
        _check(measured)
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        fresh.rename(folder / FOLDER)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return PreparedForm((f"{FOLDER}/{MODEL}", f"{FOLDER}/{MODEL}.data"), measured)


def _check(measured: Parity) -> None:
    if measured.max_abs > MARGIN or measured.agreement < AGREEMENT:
        raise UnpreparableError(f"too far from the checkpoint: {json.dumps(asdict(measured))}")
