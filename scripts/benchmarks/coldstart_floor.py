"""The floor under a cold start: an empty Python process that runs the bare model once.

It answers the same sentence as the servers, by as many threads as ours has unless told otherwise,
and its clock too runs from exec to the answer: what it then takes to end is nobody's waiting.
"""

import json
import os
import subprocess
import sys
import time
from functools import cache
from pathlib import Path

from scripts.benchmarks.bert_base import TEXT, BertBase
from scripts.benchmarks.harness import CannotMeasure

_PROGRAM = Path(__file__).with_name("contestant_servers") / "floor.py"
_LEAN = {"ORT_DISABLE_TELEMETRY": "1", "OPENBLAS_NUM_THREADS": "1"}
"""What ours sets for itself; without it the floor would be higher than it is."""


def seconds(model: BertBase) -> float:
    """Return how long one such process took to its answer."""
    prepared = model.folder / "onnx" / "model.onnx"
    command = [sys.executable, str(_PROGRAM), str(prepared), json.dumps(_ids(model.folder))]
    environ = {**os.environ, **_LEAN}
    begun = time.monotonic()
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None  # noqa: S101 - it is a pipe
        answer = process.stdout.readline()
        took = time.monotonic() - begun
    if not answer:
        raise CannotMeasure("the bare model does not run")
    return took


@cache
def _ids(folder: Path) -> list[int]:
    """Return the sentence's tokens, as a server sees them."""
    from tokenizers import Tokenizer  # noqa: PLC0415 - light tests do without

    ids: list[int] = Tokenizer.from_file(str(folder / "tokenizer.json")).encode(TEXT).ids
    return ids
