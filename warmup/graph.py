"""An ONNX graph in the making: weights go to one file as they are added, nodes wait to be written.

A product with weights is a node `Linear` until then, and is written in two ways. ONNX Runtime
rearranges ("packs") the second factor of a product. Whoever has just started must not spend time on
that for the weights: they come first, as the checkpoint has them, and the few tokens are packed.
Whoever stays has its weights packed once, as the second factor, when the file is opened.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from warmup.checkpoint import Array, Checkpoint, UnpreparableError
from warmup.forms import PACKS

PAGE = 4096
OPSET = 17
MICROSOFT = "com.microsoft"
_LINEAR = "Linear"
Written = Callable[[Any], Iterator[Any]]
"""How a `Linear` node is written: the nodes that it becomes."""


@dataclass(slots=True)
class Graph:
    """Nodes and weights as they are added; weights are written to `data` at once."""

    data: Any
    checkpoint: Checkpoint
    location: str
    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)

    def of(self, name: str) -> Array:
        """Return a weight of the checkpoint; raises UnpreparableError when it has none of that name."""
        try:
            return self.checkpoint.weights[name]
        except KeyError as error:
            raise UnpreparableError(f"the checkpoint has no weight {error}") from error

    def take(self, name: str) -> str:
        """Write the checkpoint's weight of this name."""
        return self.weight(name, self.of(name))

    def weight(self, name: str, value: Array) -> str:
        """Write `value` on a page border; the graph only points at it."""
        self.data.write(b"\0" * (-self.data.tell() % PAGE))
        tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=value.shape)
        tensor.data_location = TensorProto.EXTERNAL
        body = np.ascontiguousarray(value, dtype="<f4").tobytes()
        entries = {"location": self.location, "offset": self.data.tell(), "length": len(body)}
        for key, entry in entries.items():
            tensor.external_data.add(key=key, value=str(entry))
        self.data.write(body)
        self.tensors.append(tensor)
        return name

    def constant(self, name: str, value: Any) -> str:
        """Keep a small value inside the graph file."""
        self.tensors.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        """Add one node, named like its first output; returns that."""
        self.nodes.append(_node(kind, inputs, *outputs, **attributes))
        return outputs[0]

    def linear(self, value: str, weight: str, bias: str | None, output: str) -> str:
        """Add `value` [tokens, in] times `weight` [out, in], transposed, plus `bias` [out]."""
        return self.add(_LINEAR, [value, weight, *([bias] if bias else [])], output)

    def model(self, inputs: list[Any], outputs: list[Any], written: Written) -> Any:
        """Return the model, its products with weights written in one of the two ways."""
        nodes = [
            part
            for node in self.nodes
            for part in (written(node) if node.op_type == _LINEAR else [node])
        ]
        body = helper.make_graph(nodes, "bert", inputs, outputs, self.tensors)
        opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
        model = helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="warmup")
        model.metadata_props.add(key=PACKS, value="true")
        return model


def weights_first(linear: Any) -> Iterator[Any]:
    """For a start: nothing of the weights is rearranged, at opening or at a call."""
    value, weight, *bias = linear.input
    output = linear.output[0]
    turned = f"{output}/turned"
    yield _node("Gemm", [weight, value], turned, transB=1)
    product = f"{output}/product" if bias else output
    yield _node("Transpose", [turned], product, perm=[1, 0])
    if bias:
        yield _node("Add", [product, *bias], output)


def weights_packed(linear: Any) -> Iterator[Any]:
    """For whoever stays: weights are packed at opening."""
    yield _node("Gemm", list(linear.input), linear.output[0], transB=1)


def _node(kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> Any:
    return helper.make_node(kind, inputs, list(outputs), name=outputs[0], **attributes)
