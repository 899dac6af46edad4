"""The least that a start can be: the file mapped, each page touched, the bare model run once."""  # noqa: INP001 - a program of its own

import json
import mmap
import sys

import numpy as np
import onnxruntime

model, ids = sys.argv[1], json.loads(sys.argv[2])
with open(model + ".data", "rb") as file:  # noqa: PTH123 - pathlib would be one import more
    weights = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
touched = sum(weights[at] for at in range(0, len(weights), mmap.PAGESIZE))
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.add_session_config_entry("session.disable_prepacking", "1")
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
tokens = np.array([ids])
feeds = {"input_ids": tokens, "attention_mask": tokens * 0 + 1, "token_type_ids": tokens * 0}
print(session.run(None, feeds)[0].shape, flush=True)  # the clock stops here
