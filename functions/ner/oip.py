"""The Open Inference Protocol v2 on ner: texts in a BYTES tensor; out come entities or class ids.

`entities` is JSON, one a text, as `POST /v1/entities` has it. `output-0` is what KServe's Hugging
Face runtime answers: the number of the likeliest tag of every token, [texts, 1, tokens], special
tokens included, rows filled up with the number of `O`. Tensors come as JSON or, by the binary
extension, behind it. Pure, but for what it is given.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from functions.ner.decode import Entity
from functions.ner.schema import checked, json_object
from functions.ner.service import Ner
from functions.runtime import tensors
from functions.runtime.errors import Invalid, NotFound

MODEL = "ner"
SERVER = {"name": "marketresearch-ner", "version": "2", "extensions": [tensors.EXTENSION]}
ENTITIES, CLASS_IDS = "entities", "output-0"
INPUT = "inputs[0]"


def version(ner: Ner) -> str:
    """Return the version that is served; "0" while patterns answer."""
    return "0" if ner.engine is None else str(ner.engine.release.manifest.version)


def check_model(ner: Ner, name: str, wanted: str | None) -> None:
    """Raise NotFound for a model or version that is not served here."""
    if name != MODEL:
        raise NotFound(f"no model {name!r}; this server has {MODEL!r}")
    if wanted not in (None, version(ner)):
        raise NotFound(f"{MODEL} is served in version {version(ner)}")


def metadata(ner: Ner) -> dict[str, Any]:
    """Describe the model."""
    return {
        "name": MODEL,
        "versions": [version(ner)],
        "platform": "heuristic" if ner.engine is None else ner.engine.model.encoder.name,
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": ENTITIES, "datatype": "BYTES", "shape": [-1]},
            {"name": CLASS_IDS, "datatype": "INT64", "shape": [-1, 1, -1]},
        ],
    }


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: its id, its texts, which output it wants, and whether as bytes."""

    id: str
    texts: list[str]
    output: str
    binary: bool


def request(body: bytes, json_length: str | None, ner: Ner) -> Asked:
    """Read an inference request."""
    head, rest = tensors.split(body, json_length)
    value = json_object(head)
    inputs = value.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Invalid("inputs must hold one tensor")
    tensor = inputs[0]
    if tensor.get("datatype") != "BYTES":
        raise Invalid(f"{INPUT}.datatype must be BYTES")
    size = tensors.parameters(tensor, f"{INPUT}.").get("binary_data_size")
    listed = tensor.get("data") if size is None else tensors.unpack(rest, size, INPUT)
    texts = checked(listed, f"{INPUT}.data", ner.settings)
    if tensor.get("shape") not in ([len(texts)], [len(texts), 1]):
        raise Invalid(f"{INPUT}.shape must be [{len(texts)}], the number of texts")
    output, binary = _output(value, CLASS_IDS if ner.settings.class_ids else ENTITIES)
    return Asked(str(value.get("id", "")), texts, output, binary)


def _output(value: Mapping[str, Any], default: str) -> tuple[str, bool]:
    """Return the output that is asked for, and whether it shall come as bytes."""
    outputs = value.get("outputs") or []
    if not isinstance(outputs, list) or not all(isinstance(one, Mapping) for one in outputs):
        raise Invalid("outputs must be a list of tensors")
    if not outputs:
        return default, tensors.parameters(value, "").get("binary_data_output") is True
    if len(outputs) > 1 or outputs[0].get("name") not in (ENTITIES, CLASS_IDS):
        raise Invalid(f"outputs may ask for {ENTITIES} or {CLASS_IDS}")
    asked = tensors.parameters(outputs[0], "outputs[0].")
    return str(outputs[0]["name"]), asked.get("binary_data") is True


@dataclass(frozen=True, slots=True)
class Tensor:
    """An output: as the JSON that says all of it, and as bytes."""

    head: dict[str, Any]
    data: list[Any]
    raw: bytes


def entities_tensor(found: Sequence[Sequence[Entity]]) -> Tensor:
    """Return the entities, one text's as one element."""
    data = [json.dumps([asdict(one) for one in each], ensure_ascii=False) for each in found]
    head = {"name": ENTITIES, "datatype": "BYTES", "shape": [len(data)]}
    return Tensor(head, data, tensors.pack(data))


def classes_tensor(found: Sequence[Sequence[int]], outside: int) -> Tensor:
    """Return the tags' numbers, a row a text."""
    longest = max(map(len, found), default=0)
    rows = np.full((len(found), 1, longest), outside, dtype="<i8")
    for row, numbers in enumerate(found):
        rows[row, 0, : len(numbers)] = numbers
    head = {"name": CLASS_IDS, "datatype": "INT64", "shape": list(rows.shape)}
    return Tensor(head, rows.ravel().tolist(), rows.tobytes())


def response(ner: Ner, asked: Asked, tensor: Tensor) -> tuple[dict[str, str], bytes]:
    """Return headers and body of the answer."""
    size = {"parameters": {"binary_data_size": len(tensor.raw)}}
    output = tensor.head | (size if asked.binary else {"data": tensor.data})
    answer = {"model_name": MODEL, "model_version": version(ner), "outputs": [output]}
    answer |= {"id": asked.id} if asked.id else {}
    text = json.dumps(answer, ensure_ascii=False).encode()
    if not asked.binary:
        return {"content-type": "application/json"}, text
    headers = {"content-type": "application/octet-stream", tensors.JSON_LENGTH: str(len(text))}
    return headers, text + tensor.raw
