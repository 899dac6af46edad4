"""A checkpoint folder read without torch: config, weights by name, how its tokens are pooled.

Only safetensors is read: a header that says where each tensor lies, then plain bytes. Weights are
views into a memory map until somebody changes them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]
DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4"}


class UnpreparableError(Exception):
    """A checkpoint without a fast-loading form; the message says why, in one sentence."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What the graph is built from."""

    config: Mapping[str, Any]
    weights: Mapping[str, Array]
    normalise: bool  # an embedder whose last module is Normalize


def read(folder: Path) -> Checkpoint:
    """Read the checkpoint in `folder`; raises UnpreparableError when a part is missing or unreadable."""
    try:
        config = json.loads((folder / "config.json").read_text())
        weights = read_safetensors(folder / "model.safetensors")
    except (OSError, ValueError, KeyError) as error:
        raise UnpreparableError(f"{folder.name}: not a readable safetensors checkpoint") from error
    return Checkpoint(config=config, weights=weights, normalise=_normalises(folder))


def read_safetensors(path: Path) -> dict[str, Array]:
    """Read every float tensor as float32, without the encoder's name in front."""
    raw = np.memmap(path, dtype=np.uint8, mode="r")
    length = int.from_bytes(raw[:8].tobytes(), "little")
    header = json.loads(raw[8 : 8 + length].tobytes())
    header.pop("__metadata__", None)
    body = raw[8 + length :]
    return {
        name.removeprefix("bert."): _tensor(body, entry)
        for name, entry in header.items()
        if not entry["dtype"].startswith("I")
    }


def _tensor(body: npt.NDArray[np.uint8], entry: Mapping[str, Any]) -> Array:
    start, end = entry["data_offsets"]
    flat = np.frombuffer(body, dtype=DTYPES[entry["dtype"]], offset=start, count=_count(entry))
    if flat.nbytes != end - start:
        raise ValueError("a tensor's shape and its bytes disagree")
    if entry["dtype"] == "BF16":  # the upper half of a float32
        flat = (flat.astype("<u4") << 16).view("<f4")
    return flat.astype(np.float32, copy=False).reshape(entry["shape"])


def _count(entry: Mapping[str, Any]) -> int:
    return int(np.prod(entry["shape"], dtype=np.int64))


def _normalises(folder: Path) -> bool:
    """sentence-transformers lists its modules; mean pooling is the only one that is built in."""
    modules = folder / "modules.json"
    if not modules.exists():
        return True
    kinds = [str(module["type"]) for module in json.loads(modules.read_text())]
    pooling = folder / "1_Pooling" / "config.json"
    if pooling.exists() and not json.loads(pooling.read_text()).get("pooling_mode_mean_tokens"):
        raise UnpreparableError(f"{folder.name}: only mean pooling is supported")
    return any(kind.endswith("Normalize") for kind in kinds)
