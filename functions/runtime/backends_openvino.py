"""A token classifier's form computed in bfloat16 by OpenVINO: several times as quick, a little wrong.

Only on a CPU that multiplies in bfloat16, and only behind the traffic (settling.py): to import it and
to open a form takes half a second. It reads the same files as ONNX Runtime, weights mapped; once its
own copy of the weights is made, the mapped pages are let go.
"""

import ctypes
import mmap
import sys
import threading
from functools import partial
from pathlib import Path

import numpy as np

from functions.runtime import proof
from functions.runtime.encoder import Encoder, Output, Tokens, UnusableForm
from warmup.forms import QUICK

# Its converter, which nothing here needs, reports each import to its maker; the library does without.
sys.modules.setdefault("openvino.tools.ovc", None)  # type: ignore[arg-type] # Python's own mark

import openvino  # noqa: E402 - after the line above

MARGIN = 0.05
"""Largest distance from the checkpoint's answer to the probe, as a share of that answer's length."""
STEP = 8
"""Rows are padded to a multiple of it: each new shape costs milliseconds and a megabyte and a half."""
SHAPES = 64
"""Shapes for each kind of node whose kernels are kept."""
MAPS = Path("/proc/self/maps")


class OpenVinoEncoder:
    """An OpenVINO request on the CPU; one thread at a time has it."""

    name = "openvino"
    packs = False  # whoever re-opens a form knows, and asks the one that it opened first
    proven = False

    def __init__(self, model: Path, threads: int) -> None:
        core = openvino.Core()
        if "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise UnusableForm("unsupported", "this CPU does not multiply in bfloat16")
        properties = {
            "INFERENCE_PRECISION_HINT": "bf16",
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "ENABLE_CPU_PINNING": False,
            "CPU_RUNTIME_CACHE_CAPACITY": SHAPES,
        }
        compiled = core.compile_model(core.read_model(model), "CPU", properties)
        self._output = compiled.output(0)
        self._request = compiled.create_infer_request()
        self._turn = threading.Lock()

    def run(self, input_ids: Tokens, attention_mask: Tokens, token_type_ids: Tokens) -> Output:
        """Run one padded batch."""
        length = input_ids.shape[1]
        feeds = {
            "input_ids": _padded(input_ids),
            "attention_mask": _padded(attention_mask),
            "token_type_ids": _padded(token_type_ids),
        }
        with self._turn:
            output: Output = self._request.infer(feeds)[self._output]
        return output[:, :length]


def open_bf16(model: Path, threads: int) -> Encoder:
    """Open `model` and ask it the probe; raises UnusableForm when it must not answer."""
    encoder, proven = proof.opened(model, partial(OpenVinoEncoder, model, threads), MARGIN)
    encoder.proven = proven
    _let_go(model.with_name(f"{QUICK}.data"))
    return encoder


def _padded(tokens: Tokens) -> Tokens:
    return np.pad(tokens, ((0, 0), (0, -tokens.shape[1] % STEP)))


def _let_go(data: Path) -> None:
    """Give back the pages of `data` that are mapped here; whoever reads them again gets them again."""
    if not MAPS.exists():  # not on Linux: they stay, and belong to the kernel all the same
        return
    library = ctypes.CDLL(None)
    for line in MAPS.read_text().splitlines():
        if line.endswith(f" {data.resolve()}"):
            start, end = (int(place, 16) for place in line.split()[0].split("-"))
            library.madvise(
                ctypes.c_void_p(start), ctypes.c_size_t(end - start), mmap.MADV_DONTNEED
            )
