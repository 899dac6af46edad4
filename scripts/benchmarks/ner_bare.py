"""The ceiling: the prepared form called in a bare loop, on batches without any padding.

`python -m scripts.benchmarks.ner_bare MODEL THREADS` prints sentences a second of each kind as JSON.
Nothing is tokenised, awaited or decoded, and each length has the better of three batch sizes.
"""

import json
import sys
import time
from pathlib import Path
from statistics import fmean

import numpy as np

from functions.runtime.backends_onnx import OnnxEncoder
from scripts.benchmarks.ner_load import KINDS, lengths

BATCHES = (256, 384, 512)
"""Tokens of a batch: more are no quicker on a CPU, fewer are slower."""
LOOP = 3
"""How often a batch is run: what counts is what a loop does, not its luckiest turn."""
STRATA = 8
"""The lengths of the sentences that servers are asked are judged by so many of them, evenly chosen."""


def main() -> None:
    """Measure each kind."""
    encoder = OnnxEncoder(Path(sys.argv[1]), int(sys.argv[2]), packed=True)
    rates = {}
    for kind in KINDS:
        ordered = sorted(lengths(kind))
        wide = len(ordered) // STRATA
        chosen = ordered[wide // 2 :: wide]
        seconds = {length: _seconds(encoder, length) for length in set(chosen)}
        rates[kind] = 1 / fmean(seconds[length] for length in chosen)
    print(json.dumps(rates))


def _seconds(encoder: OnnxEncoder, length: int) -> float:
    """Return what one sentence of this length takes in a loop."""
    return min(_loop(encoder, max(1, tokens // length), length) for tokens in BATCHES)


def _loop(encoder: OnnxEncoder, rows: int, length: int) -> float:
    ids = np.full((rows, length), 100, np.int64)
    begun = time.perf_counter()
    for _ in range(LOOP):
        encoder.run(ids, np.ones_like(ids), np.zeros_like(ids))
    return (time.perf_counter() - begun) / LOOP / rows


if __name__ == "__main__":
    main()
