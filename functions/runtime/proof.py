"""A form is asked the probe that its release carries before it answers anybody.

The probe is a real inference by the real weights, and `check.json` has the checkpoint's own answer. A
form of lower precision is allowed a larger distance from it, and none is allowed to fail.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from functions.runtime.encoder import Encoder, UnusableForm
from warmup.forms import CHECK

FormT = TypeVar("FormT", bound=Encoder)


def opened(model: Path, make: Callable[[], FormT], allowed: float) -> tuple[FormT, bool]:
    """Make an encoder of `model` and ask it the probe; return it, and whether there was a probe.

    `allowed` is the largest distance, as a share of the answer's length. Raises UnusableForm when it
    must not answer.
    """
    try:
        encoder = make()
        check = model.with_name(CHECK)
        asked = check.exists()  # prepared before there were probes, it has none
        distance = _distance(encoder, check) if asked else 0.0
    except UnusableForm:
        raise
    except Exception as error:  # the runtimes' errors have no common base
        raise UnusableForm("unreadable", f"{type(error).__name__}: {error}"[:300]) from error
    if not distance <= allowed:  # also when it is no number
        message = f"its answer is {distance:.3f} from the checkpoint's, {allowed} allowed"
        raise UnusableForm("parity", message)
    return encoder, asked


def _distance(encoder: Encoder, check: Path) -> float:
    """Return how far the answer to the probe is from what it should be."""
    probe: dict[str, Any] = json.loads(check.read_text())
    ids = np.array(probe["input_ids"], dtype=np.int64)
    want = np.array(probe["output"], dtype=np.float32)
    got = encoder.run(ids, np.ones_like(ids), np.zeros_like(ids))
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))
