"""A release is prepared once, so that no start has to: checkpoint folder in, `onnx/` beside it.

The prepared form is compared with the checkpoint before anybody can see it; one that is too far
away is thrown out and the checkpoint stays as it is. Preparing the same checkpoint again gives the
same bytes, so a release keeps its digest.
"""

import json
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from warmup import bert_graph, checkpoint, int8, parity, vocabulary
from warmup.checkpoint import Checkpoint, UnpreparableError
from warmup.forms import CHECK, FOLDER, QUICK, STEADY, TOKENIZER
from warmup.parity import Parity

MARGIN = 1e-3  # largest difference of one logit or embedding component, in float32
AGREEMENT = 0.999  # share of decisions that must be the same


@dataclass(frozen=True, slots=True)
class PreparedForm:
    """What `prepare` wrote: paths relative to the release, and how true it is to the checkpoint.

    `int8` is None where there is no eight-bit form; `without_int8` then says why.
    """

    files: tuple[str, ...]
    parity: Parity
    int8: Parity | None = None
    without_int8: str = ""

    def metrics(self) -> dict[str, float]:
        """For the manifest's `metrics`."""
        found = {f"parity_{name}": value for name, value in asdict(self.parity).items()}
        if self.int8:
            found |= {f"parity_int8_{name}": value for name, value in asdict(self.int8).items()}
        return found


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
        bert_graph.write(source, task, fresh / QUICK)
        measured = parity.measure(folder, task, source, fresh / QUICK, fresh / STEADY)
        _check(measured)
        vocabulary.write(folder / TOKENIZER, fresh / TOKENIZER)
        (fresh / CHECK).write_text(json.dumps(parity.probe(folder, task, source)))
        eight, why = _eight_bits(folder, task, source, fresh)
        files = tuple(f"{FOLDER}/{path.name}" for path in sorted(fresh.iterdir()))
        shutil.rmtree(folder / FOLDER, ignore_errors=True)
        fresh.rename(folder / FOLDER)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return PreparedForm(files, measured, eight, why)


def prepare_or_say(folder: Path, task: str) -> tuple[dict[str, float], dict[str, str]]:
    """Prepare if that can be; return metrics, and labels that say why it could not."""
    try:
        form = prepare(folder, task)
    except UnpreparableError as error:
        return {}, {"prepared": f"no: {error}"}
    labels = {"int8": f"no: {form.without_int8}"} if form.without_int8 else {}
    return form.metrics(), labels


def _check(measured: Parity) -> None:
    if measured.max_abs > MARGIN or measured.agreement < AGREEMENT:
        raise UnpreparableError(f"too far from the checkpoint: {json.dumps(asdict(measured))}")


def _eight_bits(
    folder: Path, task: str, source: Checkpoint, fresh: Path
) -> tuple[Parity | None, str]:
    """Add the eight-bit form; return its parity, or why there is none."""
    if task != "token-classification":
        return None, "vectors of eight-bit and full weights would share an index"
    target = int8.write(fresh / STEADY)
    measured = parity.measure(folder, task, source, target)
    if measured.agreement >= int8.AGREEMENT:
        return measured, ""
    target.unlink()
    return None, f"only {measured.agreement:.3f} of the tokens keep their label"
