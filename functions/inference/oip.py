"""The Open Inference Protocol v2 for embeddings: texts in a BYTES tensor, vectors in an FP32 one.

Tensors travel as JSON or, by the protocol's binary extension, behind it: tritonclient's default, and
a third of the size. Pure.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from functions.index.generation import Vectors
from functions.inference.embeddings import MODEL, MOST_TEXTS
from functions.inference.schema import json_object, text_of
from functions.runtime import tensors
from functions.runtime.errors import Invalid, NotFound

INPUT, OUTPUT = "text", "embedding"
SERVER = {"name": "marketresearch-inference", "version": "2", "extensions": [tensors.EXTENSION]}


@dataclass(frozen=True, slots=True)
class Inference:
    """A request: its id, its texts, and whether the vectors shall come as bytes."""

    id: str
    texts: tuple[str, ...]
    binary: bool


def check_model(name: str, version: str | None, served: str) -> None:
    """Raise NotFound for a model or version that is not served here."""
    if name != MODEL:
        raise NotFound(f"no model {name[:80]!r}; this server has {MODEL!r}")
    if version not in (None, served):
        raise NotFound(f"{MODEL} is served in version {served}")


def metadata(version: str, platform: str, dimension: int) -> dict[str, Any]:
    """Describe the model."""
    return {
        "name": MODEL,
        "versions": [version],
        "platform": platform,
        "inputs": [{"name": INPUT, "datatype": "BYTES", "shape": [-1]}],
        "outputs": [{"name": OUTPUT, "datatype": "FP32", "shape": [-1, dimension]}],
    }


def parse(body: bytes, json_length: str | None) -> Inference:
    """Read an inference request."""
    head, rest = tensors.split(body, json_length)
    raw = json_object(head)
    inputs = raw.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Invalid("inputs must hold one tensor")
    tensor = inputs[0]
    if tensor.get("datatype") != "BYTES":
        raise Invalid("inputs[0].datatype must be BYTES")
    texts = _texts(tensor, rest)
    if tensor.get("shape") not in ([len(texts)], [len(texts), 1]):
        raise Invalid(f"inputs[0].shape must be [{len(texts)}], the number of texts")
    return Inference(text_of(raw.get("id", ""), "id"), texts, _binary_output(raw))


def response(asked: Inference, vectors: Vectors, version: str) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the answer."""
    tensor: dict[str, Any] = {"name": OUTPUT, "datatype": "FP32", "shape": list(vectors.shape)}
    head = {"model_name": MODEL, "model_version": version, "outputs": [tensor]}
    head |= {"id": asked.id} if asked.id else {}
    if not asked.binary:
        tensor["data"] = [float(number) for number in vectors.ravel()]
        return {"content-type": "application/json"}, json.dumps(head).encode()
    raw = vectors.astype("<f4").tobytes()
    tensor["parameters"] = {"binary_data_size": len(raw)}
    text = json.dumps(head).encode()
    headers = {"content-type": "application/octet-stream", tensors.JSON_LENGTH: str(len(text))}
    return headers, text + raw


def _texts(tensor: Mapping[str, Any], rest: bytes) -> tuple[str, ...]:
    size = tensors.parameters(tensor, "").get("binary_data_size")
    listed = tensor.get("data") if size is None else tensors.unpack(rest, size, "inputs[0]")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_TEXTS:
        raise Invalid(f"inputs[0].data must be a list of 1 to {MOST_TEXTS} texts")
    return tuple(text_of(one, "inputs[0].data") for one in listed)


def _binary_output(raw: Mapping[str, Any]) -> bool:
    outputs = raw.get("outputs")
    if not outputs:
        return tensors.parameters(raw, "").get("binary_data_output") is True
    if not isinstance(outputs, list) or not all(isinstance(one, Mapping) for one in outputs):
        raise Invalid("outputs must be a list of tensors")
    if any(one.get("name") != OUTPUT for one in outputs):
        raise Invalid(f"outputs may only ask for {OUTPUT}")
    return tensors.parameters(outputs[0], "").get("binary_data") is True
