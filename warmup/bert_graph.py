"""A BERT encoder as an ONNX graph that is born optimised, its weights apart.

Building the graph from the weights takes a second and needs neither torch nor an exporter, and it
has nothing left for ONNX Runtime to optimise at load. The weights go to one external file, each on
a page border and in the order in which inference touches them, so that a session maps the file and
the kernel reads ahead in the right direction. Two graphs point at it: the one that opens quickly and
the one that runs quickly (graph.py).

A row may hold several texts: the mask numbers them from 1, 0 being padding. A token sees those of its
own number alone, and each text's positions begin at 0; a mask of ones and zeros is the plain case.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from warmup.checkpoint import Array, Checkpoint, UnpreparableError
from warmup.forms import STEADY
from warmup.graph import MICROSOFT, Graph, weights_first, weights_packed

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
OUTPUTS = {"token-classification": "logits", "feature-extraction": "embedding"}
UNSEEN = 1e4
"""Taken from the score of what a token does not see, as transformers did before it had infinities."""
FAINT = 70.0
"""No score counts as further below its row's best: exp(-70) is nothing to a sum of ones, and what lies
below exp(-87) is no normal number, over which a CPU takes several times as long."""


def write(checkpoint: Checkpoint, task: str, path: Path) -> None:
    """Write `path`, `path`.data and the steady graph beside them.

    Raises UnpreparableError for anything that is not plain BERT.
    """
    _supported(checkpoint, task)
    with path.with_name(f"{path.name}.data").open("wb") as data:
        graph = Graph(data, checkpoint, f"{path.name}.data")
        hidden = _embeddings(graph)
        for index in range(checkpoint.config["num_hidden_layers"]):
            hidden = _layer(graph, index, hidden)
        (_classify if task == "token-classification" else _pool)(graph, hidden)
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in INPUTS
    ]
    shape = ["batch", "sequence", None] if task == "token-classification" else ["batch", None]
    outputs = [helper.make_tensor_value_info(OUTPUTS[task], TensorProto.FLOAT, shape)]
    onnx.save(graph.model(inputs, outputs, weights_first), path)
    onnx.save(graph.model(inputs, outputs, weights_packed), path.with_name(STEADY))


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


def _embeddings(graph: Graph) -> str:
    """Add what the tokens are before the first layer: [tokens of all rows, hidden]."""
    for name in INPUTS:
        graph.add("Cast", [name], f"{name}_32", to=TensorProto.INT32)
    _companions(graph)
    _shapes(graph)
    tables = [
        graph.take(f"embeddings.{table}.weight")
        for table in ("word_embeddings", "position_embeddings", "token_type_embeddings")
    ]
    graph.add(
        "EmbedLayerNormalization",
        [
            *("input_ids_32", "token_type_ids_32", *tables),
            *_norm(graph, "embeddings"),
            *("", "positions"),
        ],
        "rows",
        "mask_index",
        domain=MICROSOFT,
        epsilon=graph.checkpoint.config["layer_norm_eps"],
    )
    return graph.add("Reshape", ["rows", "flat"], "embedded")


def _companions(graph: Graph) -> None:
    """Add `unseen`: what is taken from each score, and `positions`: the tokens' places in their texts."""
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
    scores = [graph.constant(name, np.float32(at)) for name, at in (("seen", 0), ("far", -UNSEEN))]
    graph.add("Where", ["same", *scores], "of_each_row")
    graph.add("Unsqueeze", ["of_each_row", of[0]], "unseen")  # the same for all heads
    graph.constant("faint", np.float32(FAINT))


def _shapes(graph: Graph) -> None:
    """Add the shapes between which a layer changes: `flat`, `split` into heads, and back in `whole` rows."""
    hidden, heads = _sizes(graph.checkpoint)
    graph.constant("flat", np.array([-1, hidden], np.int64))
    graph.add("Shape", ["input_ids"], "rows_and_length")
    for name, rest in (("split", [heads, hidden // heads]), ("whole", [hidden])):
        graph.constant(f"{name}/rest", np.array(rest, np.int64))
        graph.add("Concat", ["rows_and_length", f"{name}/rest"], name, axis=0)


def _layer(graph: Graph, index: int, hidden: str) -> str:
    prefix = f"encoder.layer.{index}"
    attended = _attention(graph, prefix, hidden)
    # Weights of attention sum to one, so that the values' bias comes out as it is: it moves past them.
    mixing = f"{prefix}.attention.output.dense"
    # In float64, so that every machine rounds to the same bytes.
    moved = graph.of(f"{mixing}.weight") @ graph.of(f"{prefix}.attention.self.value.bias").astype(
        float
    )
    bias = graph.of(f"{mixing}.bias") + moved
    mixed = _linear_and_norm(graph, f"{prefix}.attention.output", attended, hidden, bias)
    inner = f"{prefix}.intermediate.dense"
    weight, added = (graph.take(f"{inner}.{part}") for part in ("weight", "bias"))
    product = graph.linear(mixed, weight, added, f"{prefix}/inner")
    wide = graph.add("Gelu", [product], f"{prefix}/wide", domain=MICROSOFT)
    bias = graph.of(f"{prefix}.output.dense.bias")
    return _linear_and_norm(graph, f"{prefix}.output", wide, mixed, bias)


def _attention(graph: Graph, prefix: str, hidden: str) -> str:
    """Add attention in plain operators; the keys' bias adds the same to a row's scores, and falls away."""
    own = f"{prefix}.attention.self"
    bias = graph.take(f"{own}.query.bias")
    query = _heads(graph, hidden, f"{own}.query", bias)
    key, value = (_heads(graph, hidden, f"{own}.{part}", None) for part in ("key", "value"))
    size, heads = _sizes(graph.checkpoint)
    scale = (size // heads) ** -0.5
    scores = graph.add(
        "FusedMatMul", [query, key], f"{prefix}/all", domain=MICROSOFT, transB=1, alpha=scale
    )
    scores = graph.add("Add", [scores, "unseen"], f"{prefix}/own")
    best = graph.add("ReduceMax", [scores], f"{prefix}/best", axes=[-1], keepdims=1)
    least = graph.add("Sub", [best, "faint"], f"{prefix}/least")
    scores = graph.add("Max", [scores, least], f"{prefix}/scores")
    shares = graph.add("Softmax", [scores], f"{prefix}/shares", axis=-1)
    context = graph.add("MatMul", [shares, value], f"{prefix}/context")
    turned = graph.add("Transpose", [context], f"{prefix}/rows", perm=[0, 2, 1, 3])
    return graph.add("Reshape", [turned, "flat"], f"{prefix}/attended")


def _heads(graph: Graph, hidden: str, name: str, bias: str | None) -> str:
    """Add one projection, a head after the other: [rows, heads, length, size of a head]."""
    product = graph.linear(hidden, graph.take(f"{name}.weight"), bias, f"{name}/product")
    split = graph.add("Reshape", [product, "split"], f"{name}/split")
    return graph.add("Transpose", [split], f"{name}/heads", perm=[0, 2, 1, 3])


def _linear_and_norm(graph: Graph, prefix: str, value: str, skip: str, bias: Array) -> str:
    """Add three nodes: the fused SkipLayerNormalization takes five times as long on a CPU."""
    weight = graph.take(f"{prefix}.dense.weight")
    added = graph.weight(f"{prefix}.dense.bias", bias)
    product = graph.linear(value, weight, added, f"{prefix}/product")
    return graph.add(
        "LayerNormalization",
        [graph.add("Add", [product, skip], f"{prefix}/summed"), *_norm(graph, prefix)],
        f"{prefix}/normed",
        axis=-1,
        epsilon=graph.checkpoint.config["layer_norm_eps"],
    )


def _norm(graph: Graph, prefix: str) -> list[str]:
    return [graph.take(f"{prefix}.LayerNorm.{part}") for part in ("weight", "bias")]


def _sizes(checkpoint: Checkpoint) -> tuple[int, int]:
    """Return how wide a token is, and into how many heads it is split."""
    return checkpoint.config["hidden_size"], checkpoint.config["num_attention_heads"]


def _classify(graph: Graph, hidden: str) -> None:
    """Add a number for each token and label."""
    weight, bias = (graph.take(f"classifier.{part}") for part in ("weight", "bias"))
    graph.linear(hidden, weight, bias, "classified")
    rest = graph.constant("labels", np.array([-1], np.int64))
    graph.add("Concat", ["rows_and_length", rest], "of_labels", axis=0)
    graph.add("Reshape", ["classified", "of_labels"], "logits")


def _pool(graph: Graph, hidden: str) -> None:
    """Take the mean over real tokens and, where the embedder says so, scale it to length one."""
    rows = graph.add("Reshape", [hidden, "whole"], "last")
    end = graph.constant("last_axis", np.array([2], np.int64))
    tokens = graph.constant("tokens", np.array([1], np.int64))
    graph.add("Cast", ["attention_mask"], "mask", to=TensorProto.FLOAT)
    graph.add("Unsqueeze", ["mask", end], "mask_3")
    graph.add("Mul", [rows, "mask_3"], "masked")
    graph.add("ReduceSum", ["masked", tokens], "summed", keepdims=0)
    graph.add("ReduceSum", ["mask", tokens], "count", keepdims=1)
    graph.add("Max", ["count", graph.constant("least", np.float32(1e-9))], "divisor")
    if not graph.checkpoint.normalise:
        graph.add("Div", ["summed", "divisor"], "embedding")
        return
    graph.add("Div", ["summed", "divisor"], "mean")
    graph.add("LpNormalization", ["mean"], "embedding", axis=-1, p=2)
