"""A prepared form, opened for a quick start: nothing is optimised, copied or packed at load.

The graph was born optimised and its weights are mapped from the file, so opening costs a few
milliseconds and memory is shared between processes. Packing weights anew would make each inference
a little faster and each start a lot slower.
"""

from pathlib import Path

import numpy as np
import onnxruntime

from functions.runtime.backends import Output, Tokens


class OnnxEncoder:
    """An ONNX Runtime session on the CPU."""

    name = "onnxruntime"

    def __init__(self, model: Path, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.disable_prepacking", "1")
        # A waiting thread that spins takes the core from whoever has work to do.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )
        self._output = self._session.get_outputs()[0].name

    def run(self, input_ids: Tokens, attention_mask: Tokens, token_type_ids: Tokens) -> Output:
        """Run one padded batch."""
        feeds = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
        }
        output: Output = np.asarray(self._session.run([self._output], feeds)[0])
        return output
