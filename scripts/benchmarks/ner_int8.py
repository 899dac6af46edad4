"""What eight bits cost: F1 on the golden set of a trained release, in full and in int8."""

import shutil
import tempfile
from pathlib import Path

from scripts.benchmarks.harness import ROOT, CannotMeasure

RELEASE = "ner-v1.1.0"
TASK = "token-classification"


def golden_f1() -> tuple[float, float]:
    """Return F1 of the full form and of int8; the release is copied and prepared anew."""
    trained = ROOT / "models" / RELEASE
    if not trained.exists():
        raise CannotMeasure(f"there is no models/{RELEASE}; ./scripts/up trains it")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / RELEASE
        shutil.copytree(trained, copy)
        return _both(copy)


def _both(release: Path) -> tuple[float, float]:
    from functions.ner.model import Options, open_model  # noqa: PLC0415 - onnx: only who asks pays
    from functions.runtime.backends import Form  # noqa: PLC0415 - as above
    from scripts.training.evaluate import evaluate  # noqa: PLC0415 - as above
    from scripts.training.examples import golden  # noqa: PLC0415 - as above
    from warmup.prepare import prepare  # noqa: PLC0415 - as above

    if prepare(release, TASK).int8 is None:
        raise CannotMeasure(f"{RELEASE} has no int8 form")
    forms = (Form(int8=int8, steady=False) for int8 in (False, True))
    models = (open_model(release, Options(form=form)) for form in forms)
    full, eight = (evaluate(model, golden())["all"].f1 for model in models)
    return full, eight
