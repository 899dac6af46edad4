"""A prepared form, opened for a quick start: nothing is optimised, copied or packed at load.

The graph was born optimised and its weights are mapped from the file, so opening costs a few
milliseconds and memory is shared between processes. Packing weights anew makes each inference
quicker and each start slower, so that is done behind the traffic (settling.py). A form is asked the
probe that its release carries before it answers anybody.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from functions.runtime import ahead
from functions.runtime.encoder import Encoder, Output, Tokens, UnusableForm
from functions.runtime.room import room
from functions.runtime.settling import Settling

CHECK = "check.json"
PACKS = "packs"
"""In a form's metadata; one that was prepared earlier takes one text a row."""
SPARE = 1.25
"""Memory to have for each byte that is packed: some of it is needed twice meanwhile."""
MARGIN, INT8_MARGIN = 0.01, 0.3
"""Largest distance from the checkpoint's answer to the probe, as a share of that answer's length."""


class OnnxEncoder:
    """An ONNX Runtime session on the CPU."""

    name = "onnxruntime"
    proven = False

    def __init__(self, model: Path, threads: int, *, packed: bool = False) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        if not packed:
            options.add_session_config_entry("session.disable_prepacking", "1")
        # A waiting thread that spins takes the core from whoever has work to do.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._output = self._session.get_outputs()[0].name
        self.packs = PACKS in self._session.get_modelmeta().custom_metadata_map

    def run(self, input_ids: Tokens, attention_mask: Tokens, token_type_ids: Tokens) -> Output:
        """Run one padded batch."""
        feeds = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        output: Output = np.asarray(self._session.run([self._output], feeds)[0])
        return output


def open_prepared(model: Path, threads: int, *, steady: bool) -> Encoder:
    """Open `model` and ask it the probe; raises UnusableForm when it must not answer."""
    quick = ahead.take((model, threads), lambda: _open(model, threads, packed=False))
    if not steady:
        return quick
    later: Callable[[], Encoder] = lambda: _steady(model, threads)  # noqa: E731 - typed
    return Settling(quick, later)


def _steady(model: Path, threads: int) -> Encoder:
    """Open `model` with packed weights, which are memory of our own: once more its size."""
    needed = sum(file.stat().st_size for file in model.parent.glob(f"{model.name}*"))
    if room() < needed * SPARE:
        raise UnusableForm("memory", f"{needed >> 20} MiB of packed weights have no room")
    return _open(model, threads, packed=True)


def open_ahead(model: Path, threads: int) -> None:
    """Open `model` and ask it the probe, for whoever calls `open_prepared` next."""
    ahead.keep((model, threads), lambda: _open(model, threads, packed=False))


def _open(model: Path, threads: int, *, packed: bool) -> OnnxEncoder:
    try:
        encoder = OnnxEncoder(model, threads, packed=packed)
        check = model.with_name(CHECK)
        distance = _distance(encoder, check) if check.exists() else 0.0  # prepared before probes
        encoder.proven = check.exists()
    except Exception as error:  # ONNX Runtime's errors have no common base
        raise UnusableForm("unreadable", f"{type(error).__name__}: {error}"[:300]) from error
    allowed = INT8_MARGIN if "int8" in model.name else MARGIN
    if not distance <= allowed:  # also when it is no number
        message = f"its answer is {distance:.3f} from the checkpoint's, {allowed} allowed"
        raise UnusableForm("parity", message)
    return encoder


def _distance(encoder: OnnxEncoder, check: Path) -> float:
    """Return how far the answer to the probe is from what it should be."""
    probe: dict[str, Any] = json.loads(check.read_text())
    ids = np.array(probe["input_ids"], dtype=np.int64)
    want = np.array(probe["output"], dtype=np.float32)
    got = encoder.run(ids, np.ones_like(ids), np.zeros_like(ids))
    return float(np.linalg.norm(got - want) / np.linalg.norm(want))
