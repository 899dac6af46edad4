"""A prepared form, opened for a quick start: nothing is optimised, copied or packed at load.

The graph was born optimised and its weights are mapped from the file, so opening costs a few
milliseconds and memory is shared between processes. Packing weights anew makes each inference
quicker and each start slower, so that is done behind the traffic (settling.py), and so is the change
to bfloat16, where that is wished and can be.
"""

import logging
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime

from functions.runtime import ahead, proof
from functions.runtime.encoder import Encoder, Output, Tokens, UnusableForm
from functions.runtime.model_metrics import FALLBACKS
from functions.runtime.room import room
from functions.runtime.settling import Settling
from warmup.forms import PACKS, QUICK, STEADY

SPARE = 1.25
"""Memory to have for each byte that is packed: some of it is needed twice meanwhile."""
MARGIN, INT8_MARGIN = 0.01, 0.3
"""Largest distance from the checkpoint's answer to the probe, as a share of that answer's length."""
_LOG = logging.getLogger(__name__)


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
        # A form that was prepared earlier takes one text a row.
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


def open_prepared(model: Path, threads: int, *, steady: bool, bf16: bool = False) -> Encoder:
    """Open `model` and ask it the probe; raises UnusableForm when it must not answer.

    With `steady` it is re-opened behind the traffic, with packed weights or in bfloat16.
    """
    quick = ahead.take((model, threads), lambda: _open(model, threads, packed=False))
    if not steady:
        return quick
    return Settling(quick, partial(_steady, model, threads, bf16=bf16))


def _steady(model: Path, threads: int, *, bf16: bool) -> Encoder:
    """Open `model` with packed weights, which are memory of our own: once more its size."""
    needed = sum(file.stat().st_size for file in model.parent.glob(f"{model.name}*"))
    if room() < needed * SPARE:
        raise UnusableForm("memory", f"{needed >> 20} MiB of packed weights have no room")
    graph = _to_pack(model)
    if bf16 and (half := _bf16(graph, threads)):
        return half
    return _open(graph, threads, packed=True)


def _to_pack(model: Path) -> Path:
    """Return the graph for packed weights; what was prepared earlier has one graph for both."""
    steady = model.with_name(STEADY)
    return steady if model.name == QUICK and steady.exists() else model


def _bf16(model: Path, threads: int) -> Encoder | None:
    """Open `model` in bfloat16; None, with one log line and one count, where that cannot be."""
    try:
        from functions.runtime.backends_openvino import open_bf16  # noqa: PLC0415 - an extra

        return open_bf16(model, threads)
    except ImportError as error:
        refused = UnusableForm("missing", str(error))
    except UnusableForm as error:
        refused = error
    FALLBACKS.labels(form="bf16", reason=refused.reason).inc()
    _LOG.warning("bfloat16 is not used: %s", refused)
    return None


def open_ahead(model: Path, threads: int) -> None:
    """Open `model` and ask it the probe, for whoever calls `open_prepared` next."""
    ahead.keep((model, threads), lambda: _open(model, threads, packed=False))


def _open(model: Path, threads: int, *, packed: bool) -> OnnxEncoder:
    allowed = INT8_MARGIN if "int8" in model.name else MARGIN
    make = partial(OnnxEncoder, model, threads, packed=packed)
    encoder, proven = proof.opened(model, make, allowed)
    encoder.proven = proven
    return encoder
