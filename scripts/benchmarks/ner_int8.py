"""What fewer bits cost: F1 on the golden set of a trained release, in full, in int8 and in bfloat16."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from functions.ner.model import NerModel, Options, open_model
from functions.runtime.backends import Form
from functions.runtime.encoder import Encoder, UnusableForm
from scripts.benchmarks.harness import ROOT, CannotMeasure
from warmup.forms import FOLDER, STEADY

RELEASE = "ner-v1.1.0"
TASK = "token-classification"


def golden_f1() -> dict[str, float]:
    """Return F1 by precision: fp32, int8, and bf16 where it can be; the release is prepared anew."""
    trained = ROOT / "models" / RELEASE
    if not trained.exists():
        raise CannotMeasure(f"there is no models/{RELEASE}; ./scripts/up trains it")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / RELEASE
        shutil.copytree(trained, copy)
        return _each(copy)


def bf16(release: Path) -> Encoder:
    """Open a release in bfloat16; raises CannotMeasure with the reason where that cannot be."""
    try:
        from functions.runtime.backends_openvino import open_bf16  # noqa: PLC0415 - an extra

        return open_bf16(release / FOLDER / STEADY, 1)
    except (ImportError, UnusableForm) as error:
        raise CannotMeasure(f"bfloat16 is not to be had here: {error}") from error


def _each(release: Path) -> dict[str, float]:
    from scripts.training.evaluate import evaluate  # noqa: PLC0415 - torch: only who asks pays
    from scripts.training.examples import golden  # noqa: PLC0415 - as above
    from warmup.prepare import prepare  # noqa: PLC0415 - as above

    if prepare(release, TASK).int8 is None:
        raise CannotMeasure(f"{RELEASE} has no int8 form")
    return {name: evaluate(model, golden())["all"].f1 for name, model in _models(release)}


def _models(release: Path) -> Iterator[tuple[str, NerModel]]:
    full = open_model(release, Options(form=Form(steady=False)))
    yield "fp32", full
    yield "int8", open_model(release, Options(form=Form(int8=True, steady=False)))
    with suppress(CannotMeasure):
        yield "bf16", replace(full, encoder=bf16(release))
