"""One way to open an encoder model, whatever runs it (encoder.py says what it is then).

On a CPU the release's prepared form is run by ONNX Runtime, or by OpenVINO in bfloat16; a release
without one, or a GPU, is run by torch, which is imported only then. A form that cannot be opened, or
that does not say what the checkpoint says, is passed over for the next slower right one, with a log
line and a metric.
Callers see no difference but `name`.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from functions.runtime import lean
from functions.runtime.ahead import Step
from functions.runtime.errors import Unavailable
from functions.runtime.model_metrics import FALLBACKS
from warmup import forms, readahead

if TYPE_CHECKING:  # numpy; a start's first steps do without
    from functions.runtime.encoder import Encoder

PREPARED = Path(forms.FOLDER) / forms.QUICK
INT8 = Path(forms.FOLDER) / forms.INT8
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Form:
    """Which of a release's forms is wished; `steady` re-opens it for speed behind the traffic.

    `bf16` lets it then compute in bfloat16, where the CPU does.
    """

    int8: bool = False
    bf16: bool = False
    steady: bool = True


DEFAULT = Form()


def open_encoder(path: Path, threads: int, device: str = "cpu", form: Form = DEFAULT) -> "Encoder":
    """Open the release folder `path`; `threads` 0 leaves their number to the backend.

    `device` is "cpu", "cuda" or "cuda:N". Raises Unavailable when no form works here.
    """
    for file in _prepared(path, device, form):
        from functions.runtime.backends_onnx import open_prepared  # noqa: PLC0415 - one is enough
        from functions.runtime.encoder import UnusableForm  # noqa: PLC0415 - as above

        try:
            return open_prepared(file, threads, steady=form.steady, bf16=form.bf16)
        except UnusableForm as error:
            FALLBACKS.labels(form=file.name, reason=error.reason).inc()
            _LOG.warning("%s is not used: %s", file, error)
    if device == "cpu" and not (path / PREPARED).exists():
        FALLBACKS.labels(form=PREPARED.name, reason="missing").inc()
        _LOG.warning("%s has no prepared form", path.name)
    try:
        from functions.runtime.backends_torch import TorchEncoder  # noqa: PLC0415 - takes seconds
    except ImportError as error:
        message = f"no form of {path.name} works here, and torch is not installed"
        raise Unavailable(message, retry_after=30) from error
    return TorchEncoder(path, threads, device)


def steps(path: Path, threads: int, device: str = "cpu", form: Form = DEFAULT) -> Iterator[Step]:
    """Yield what opens the release folder `path` ahead of `open_encoder`, as `ahead` asks for it."""
    first = next(_prepared(path, device, form), None)
    if first is None:
        return  # torch runs the model, or there is none yet
    yield partial(readahead.fill, [first.with_name(f"{first.name}.data"), first])
    lean.numpy()  # while the disk reads
    from functions.runtime.backends_onnx import open_ahead  # noqa: PLC0415 - while the disk reads

    yield partial(open_ahead, first, threads)
    from functions.runtime import tokenizing  # noqa: PLC0415 - while the model is asked its probe

    yield partial(tokenizing.open_ahead, path)


def _prepared(path: Path, device: str, form: Form) -> Iterator[Path]:
    """Yield the prepared forms to try, the wished one first."""
    if device != "cpu":
        return
    for wished, name in ((form.int8, INT8), (True, PREPARED)):
        if wished and (path / name).exists():
            yield path / name
