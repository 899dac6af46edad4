"""The prepared form with eight-bit weights: a quarter of the bytes, quicker, and a little wrong.

Weights are quantised a channel at a time, activations as they come, so no calibration data is
needed. One product keeps its full weights: what the first layer's wide activations hold varies so
much that it brought an eighth of the whole error. The nodes that the quantiser leaves apart are fused here, so that no session has to. How much
is lost is measured like the parity of the full form, and recorded beside it.
"""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from warmup.forms import INT8

AGREEMENT = 0.97  # share of tokens with the checkpoint's label; below it the form is not kept

FULL = ["encoder.layer.0.output/product"]
"""The products that keep their weights."""
SLOWER = ["SkipLayerNormFusion", "BiasSkipLayerNormFusion"]
ERROR = 3


def write(model: Path) -> Path:
    """Write the eight-bit form of the steady graph `model` beside it, weights included."""
    full = onnx.load(model)
    _apart(full.graph)
    # It was born optimised; without this mark the quantiser asks for a pass that changes nothing.
    full.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    target = model.with_name(INT8)
    quantize_dynamic(
        full,
        target,
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=FULL,
        extra_options={"MatMulConstBOnly": True, "DefaultTensorType": TensorProto.FLOAT},
    )
    _fuse(target)
    return target


def _apart(graph: Any) -> None:
    """Write each Gemm as a product and a sum, which is what the quantiser knows.

    It asks for the type of what is multiplied, and cannot infer it past Microsoft's operators.
    """
    weights = {tensor.name: tensor for tensor in graph.initializer}
    nodes = list(graph.node)
    del graph.node[:]
    for node in nodes:
        if node.op_type != "Gemm":
            graph.node.append(node)
            continue
        value, weight, *bias = node.input
        turned = np.ascontiguousarray(numpy_helper.to_array(weights[weight]).T)
        weights[weight].CopyFrom(numpy_helper.from_array(turned, weight))
        output = node.output[0]
        product = f"{output}/alone" if bias else output
        graph.node.append(helper.make_node("MatMul", [value, weight], [product], name=output))
        if bias:
            graph.node.append(helper.make_node("Add", [product, *bias], [output]))
    products = [node for node in graph.node if node.op_type == "MatMul"]
    for name in sorted({name for node in products for name in node.input} - set(weights)):
        graph.value_info.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def _fuse(model: Path) -> None:
    """Let ONNX Runtime write `model` as it would run it, but for what is slower fused."""
    fused = model.with_suffix(".fused")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = str(fused)
    options.log_severity_level = ERROR  # it warns that the file is for this kind of machine
    onnxruntime.InferenceSession(
        model, options, providers=["CPUExecutionProvider"], disabled_optimizers=SLOWER
    )
    fused.rename(model)
