"""The Open Inference Protocol v2 on ner: texts as a BYTES tensor, entities as JSON, one a text.

Offsets and labels are those of `POST /v1/entities`. Pure, but for what it is given.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from functions.ner.decode import Entity
from functions.ner.schema import checked, json_object
from functions.ner.service import Ner
from functions.runtime.errors import Invalid, NotFound

MODEL = "ner"
SERVER = {"name": "marketresearch-ner", "version": "2", "extensions": []}


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
        "outputs": [{"name": "entities", "datatype": "BYTES", "shape": [-1]}],
    }


def request(body: bytes, ner: Ner) -> tuple[str, list[str]]:
    """Read an inference request: its id, its texts."""
    value = json_object(body)
    inputs = value.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise Invalid("inputs must hold one tensor")
    _check_output(value.get("outputs", []))
    tensor = inputs[0]
    if tensor.get("datatype") != "BYTES":
        raise Invalid("inputs[0].datatype must be BYTES")
    texts = checked(tensor.get("data"), "inputs[0].data", ner.settings)
    if tensor.get("shape") not in ([len(texts)], [len(texts), 1]):
        raise Invalid(f"inputs[0].shape must be [{len(texts)}], the number of texts")
    return str(value.get("id", "")), texts


def _check_output(outputs: Any) -> None:
    named = [one.get("name") for one in outputs if isinstance(one, dict)]
    if not isinstance(outputs, list) or any(name != "entities" for name in named):
        raise Invalid("outputs may only ask for entities")


def response(ner: Ner, request_id: str, found: Sequence[Sequence[Entity]]) -> dict[str, Any]:
    """Return the answer to an inference request."""
    data = [
        json.dumps([asdict(entity) for entity in entities], ensure_ascii=False)
        for entities in found
    ]
    tensor = {"name": "entities", "datatype": "BYTES", "shape": [len(data)], "data": data}
    answer = {"model_name": MODEL, "model_version": version(ner), "outputs": [tensor]}
    return {**answer, "id": request_id} if request_id else answer
