"""A BERT encoder as an ONNX graph that is born optimised: fused operators, weights apart.

Building the graph from the weights takes a second and needs neither torch nor an exporter, and it
has nothing left for ONNX Runtime to optimise at load. The weights go to one external file, each on
a page border and in the order in which inference touches them, so that a session maps the file and
the kernel reads ahead in the right direction.

A row may hold several texts: the mask numbers them from 1, 0 being padding. A token sees those of its
own number alone, and each text's positions begin at 0; a mask of ones and zeros is the plain case.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from warmup.checkpoint import Array, Checkpoint, UnpreparableError

PAGE = 4096
OPSET = 17
INPUTS = ("input_ids", "attention_mask", "token_type_ids")
MICROSOFT = "com.microsoft"
PACKS = "packs"
"""The key in a form's metadata that says that its rows may hold several texts."""
OUTPUTS = {"token-classification": "logits", "feature-extraction": "embedding"}


@dataclass(slots=True)
class _Graph:
    """Nodes and weights as they are added; weights are written to `data` at once."""

    data: Any
    checkpoint: Checkpoint
    location: str
    nodes: list[Any] = field(default_factory=list)
    tensors: list[Any] = field(default_factory=list)

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

    def take(self, *names: str, transpose: bool = False) -> str:
        """Lay the checkpoint's weights of these names side by side as one tensor."""
        try:
            parts = [self.checkpoint.weights[name] for name in names]
        except KeyError as error:
            raise UnpreparableError(f"the checkpoint has no weight {error}") from error
        parts = [part.T for part in parts] if transpose else parts
        return self.weight(names[0], parts[0] if len(parts) == 1 else np.concatenate(parts, -1))

    def constant(self, name: str, value: Any) -> str:
        """Keep a small value inside the graph file."""
        self.tensors.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def add(self, kind: str, inputs: list[str], *outputs: str, **attributes: Any) -> str:
        """Add one node, named like its first output; returns that."""
        node = helper.make_node(kind, inputs, list(outputs), name=outputs[0], **attributes)
        self.nodes.append(node)
        return outputs[0]


def write(checkpoint: Checkpoint, task: str, path: Path) -> None:
    """Write `path` and `path`.data. Raises UnpreparableError for anything that is not plain BERT."""
    _supported(checkpoint, task)
    with path.with_name(f"{path.name}.data").open("wb") as data:
        graph = _Graph(data, checkpoint, f"{path.name}.data")
        hidden = _embeddings(graph)
        for index in range(checkpoint.config["num_hidden_layers"]):
            hidden = _layer(graph, index, hidden)
        (_classify if task == "token-classification" else _pool)(graph, hidden)
    onnx.save(_model(graph, OUTPUTS[task]), path)


def _supported(checkpoint: Checkpoint, task: str) -> None:
    config = checkpoint.config
    wanted = {"model_type": "bert", "hidden_act": "gelu"}
    for key, value in wanted.items():
        if config.get(key) != value:
            raise UnpreparableError(f"{key} is {config.get(key)!r}; only {value!r} can be prepared")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise UnpreparableError("only absolute position embeddings can be prepared")
    if task not in OUTPUTS:
        raise UnpreparableError(f"no prepared form for the task {task!r}")


def _embeddings(graph: _Graph) -> str:
    for name in INPUTS:
        graph.add("Cast", [name], f"{name}_32", to=TensorProto.INT32)
    _companions(graph)
    tables = [
        graph.take(f"embeddings.{table}.weight")
        for table in ("word_embeddings", "position_embeddings", "token_type_embeddings")
    ]
    norm = [graph.take(f"embeddings.LayerNorm.{part}") for part in ("weight", "bias")]
    return graph.add(
        "EmbedLayerNormalization",
        ["input_ids_32", "token_type_ids_32", *tables, *norm, "", "positions"],
        "embedded",
        "mask_index",
        domain=MICROSOFT,
        epsilon=graph.checkpoint.config["layer_norm_eps"],
    )


def _companions(graph: _Graph) -> None:
    """Add `visible`: which tokens are of one text, and `positions`: their places within it."""
    of = [graph.constant(f"axis_{axis}", np.array([axis], np.int64)) for axis in (1, 2)]
    sides = [graph.add("Unsqueeze", ["attention_mask_32", axis], f"{axis}/texts") for axis in of]
    graph.add("Equal", sides, "same")
    graph.add("Cast", ["same"], "visible", to=TensorProto.INT32)
    # The first token of the same text is where that text begins.
    graph.add("ArgMax", ["visible"], "begins", axis=-1, keepdims=0)
    graph.add("Shape", ["input_ids"], "length", start=1)
    graph.add("Squeeze", ["length"], "end")
    ends = [graph.constant(name, np.int64(at)) for name, at in (("zero", 0), ("one", 1))]
    graph.add("Range", [ends[0], "end", ends[1]], "places")
    graph.add("Sub", ["places", "begins"], "position_ids")
    graph.add("Cast", ["position_ids"], "positions", to=TensorProto.INT32)


def _layer(graph: _Graph, index: int, hidden: str) -> str:
    prefix = f"encoder.layer.{index}"
    projections = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
    attended = graph.add(
        "Attention",
        [
            hidden,
            graph.take(*(f"{part}.weight" for part in projections), transpose=True),
            graph.take(*(f"{part}.bias" for part in projections)),
            "visible",
        ],
        f"{prefix}/attended",
        domain=MICROSOFT,
        num_heads=graph.checkpoint.config["num_attention_heads"],
    )
    mixed = _linear_and_norm(graph, f"{prefix}.attention.output", attended, hidden)
    inner = f"{prefix}.intermediate.dense"
    product = graph.add(
        "MatMul", [mixed, graph.take(f"{inner}.weight", transpose=True)], f"{prefix}/inner"
    )
    bias = graph.take(f"{inner}.bias")
    wide = graph.add("BiasGelu", [product, bias], f"{prefix}/wide", domain=MICROSOFT)
    return _linear_and_norm(graph, f"{prefix}.output", wide, mixed)


def _linear_and_norm(graph: _Graph, prefix: str, value: str, skip: str) -> str:
    """Add three nodes: the fused SkipLayerNormalization takes five times as long on a CPU."""
    weight = graph.take(f"{prefix}.dense.weight", transpose=True)
    product = graph.add("MatMul", [value, weight], f"{prefix}/product")
    norm = [graph.take(f"{prefix}.LayerNorm.{part}") for part in ("weight", "bias")]
    biased = graph.add("Add", [product, graph.take(f"{prefix}.dense.bias")], f"{prefix}/biased")
    return graph.add(
        "LayerNormalization",
        [graph.add("Add", [biased, skip], f"{prefix}/summed"), *norm],
        f"{prefix}/normed",
        axis=-1,
        epsilon=graph.checkpoint.config["layer_norm_eps"],
    )


def _classify(graph: _Graph, hidden: str) -> None:
    weight = graph.take("classifier.weight", transpose=True)
    product = graph.add("MatMul", [hidden, weight], "classified")
    graph.add("Add", [product, graph.take("classifier.bias")], "logits")


def _pool(graph: _Graph, hidden: str) -> None:
    """Take the mean over real tokens and, where the embedder says so, scale it to length one."""
    last = graph.constant("last", np.array([2], np.int64))
    tokens = graph.constant("tokens", np.array([1], np.int64))
    graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    graph.add("Unsqueeze", ["mask", last], "mask_3")
    graph.add("Mul", [hidden, "mask_3"], "masked")
    graph.add("ReduceSum", ["masked", tokens], "summed", keepdims=0)
    graph.add("ReduceSum", ["mask", tokens], "count", keepdims=1)
    graph.add("Max", ["count", graph.constant("least", np.float32(1e-9))], "divisor")
    if not graph.checkpoint.normalise:
        graph.add("Div", ["summed", "divisor"], "embedding")
        return
    graph.add("Div", ["summed", "divisor"], "mean")
    graph.add("LpNormalization", ["mean"], "embedding", axis=-1, p=2)


def _model(graph: _Graph, output: str) -> Any:
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in INPUTS
    ]
    shape = ["batch", "sequence", None] if output == "logits" else ["batch", None]
    outputs = [helper.make_tensor_value_info(output, TensorProto.FLOAT, shape)]
    body = helper.make_graph(graph.nodes, "bert", inputs, outputs, graph.tensors)
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(MICROSOFT, 1)]
    model = helper.make_model(body, opset_imports=opsets, ir_version=8, producer_name="warmup")
    model.metadata_props.add(key=PACKS, value="true")
    return model
