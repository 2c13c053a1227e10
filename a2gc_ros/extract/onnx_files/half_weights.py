"""Half-precision storage of an ONNX model's weights."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

SMALLEST = 1024
"""Elements of a tensor that is worth it; biases and norms stay as they are."""


def store_weights_in_half(graph: onnx.GraphProto) -> int:
    """Stores the large float32 weights of a graph in float16, in place, each behind a Cast back to float32.

    Arithmetic stays in float32: runtimes widen the constants once, when they load the file. Weights that float16
    cannot hold stay in float32.

    Returns:
        Number of tensors that are stored in half precision.
    """
    largest = np.finfo(np.float16).max
    casts = []
    for tensor in graph.initializer:
        if tensor.data_type != onnx.TensorProto.FLOAT or np.prod(tensor.dims) < SMALLEST:
            continue
        values = numpy_helper.to_array(tensor)
        if not np.all(np.abs(values) <= largest):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), f"{name}_half"))
        casts.append(onnx.helper.make_node("Cast", [tensor.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend([*casts, *nodes])
    return len(casts)


def widen_weights(graph: onnx.GraphProto) -> None:
    """Undoes :func:`store_weights_in_half`, but for the rounding: the graph's weights are float32 again, in place."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    kept = []
    for node in graph.node:
        tensor = stored.get(node.input[0]) if node.op_type == "Cast" else None
        if tensor is None or tensor.data_type != onnx.TensorProto.FLOAT16:
            kept.append(node)
            continue
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, node.output[0]))
    del graph.node[:]
    graph.node.extend(kept)
