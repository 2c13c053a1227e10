"""An exported graph as a GPU runtime wants it: typed for a precision, in place of builder flags.

TensorRT since 11 and TensorRT-RTX compute in the types that a graph states, and so does ONNX Runtime on CUDA: half
precision is asked for by casts in the graph. The backbone and every product with weights are computed in half
precision. Normalization of the pixels, the transport and the pooling stay in float32: they are a hundredth of the work,
and the transport takes logarithms of sums over all tokens.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, helper, numpy_helper

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.onnx_files.half_weights import widen_weights
from a2gc_ros.extract.runtime import Precision

LARGEST_MESSAGE = 2**31 - 1
"""Bytes of one protobuf message."""

PRODUCTS = ("Conv", "MatMul", "Gemm")
_QUANTIZERS = ("QuantizeLinear", "DequantizeLinear")
_HALF: dict[Precision, int] = {
    "fp16": TensorProto.FLOAT16,
    "bf16": TensorProto.BFLOAT16,
    "int8": TensorProto.FLOAT16,
}
_LARGEST: dict[int, float] = {TensorProto.FLOAT16: 65504.0, TensorProto.BFLOAT16: 3.38e38}


def typed_for_gpu(model: Path, precision: Precision) -> bytes:
    """Rewrites an exported model for a GPU runtime.

    Args:
        model: ONNX file made by ``a2gc export`` or ``a2gc quantize``.
        precision: What to compute in; the float parts of an ``int8`` file are computed in float16.

    Returns:
        An ONNX model with the same input, and ``descriptor`` as its only output, still float32. It carries no
        description: it lives between a file and a runtime.

    Raises:
        BackendError: The file is none of ours, or larger than one ONNX message.
    """
    try:
        loaded = onnx.load(model)
    except DecodeError as error:
        raise BackendError(f"onnx cannot load {model} ({error}); export it again.") from None
    graph = loaded.graph
    if "descriptor" not in {output.name for output in graph.output}:
        raise BackendError(f"onnx cannot load {model} (it has no descriptor); export it again.")
    del loaded.metadata_props[:]
    for extra in [output for output in graph.output if output.name != "descriptor"]:
        graph.output.remove(extra)
    # The types it states change below.
    del graph.value_info[:]
    widen_weights(graph)
    _cast_pixels_first(graph)
    if precision == "int8":
        _center_on_zero(graph)
        _dequantize_biases(graph)
    if precision != "fp32":
        _compute_backbone_in(loaded, _HALF[precision])
    if loaded.ByteSize() > LARGEST_MESSAGE:
        raise BackendError(f"{model} has more than the 2 GiB of weights that a GPU runtime takes; use openvino.")
    return loaded.SerializeToString()


def _cast_pixels_first(graph: onnx.GraphProto) -> None:
    """Makes float32 of the bytes before anything else; TensorRT does nothing with bytes but this."""
    pixels = "images_float"
    for node in graph.node:
        for i, name in enumerate(node.input):
            if name == "images":
                node.input[i] = pixels
    graph.node.insert(0, helper.make_node("Cast", ["images"], [pixels], "input/pixels", to=TensorProto.FLOAT))


def _center_on_zero(graph: onnx.GraphProto) -> None:
    """Quantizes activations to int8 around zero where the file has uint8 with a zero point, which TensorRT lacks.

    The new step covers the same range: the farther end of [-z, 255 - z] steps lies at 127 new ones.
    """
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type not in _QUANTIZERS or len(node.input) < 3:
            continue
        scale, zero = node.input[1], node.input[2]
        if stored[zero].data_type != TensorProto.UINT8:
            continue
        renamed = f"{scale}_centred", f"{zero}_centred"
        if renamed[0] not in stored:
            offset = numpy_helper.to_array(stored[zero]).astype(np.float32)
            step = numpy_helper.to_array(stored[scale]) * np.maximum(offset, 255 - offset) / np.float32(127)
            # A layer that is all but silent: what is computed in float16 has no finer steps.
            step = np.maximum(step, np.finfo(np.float16).smallest_subnormal)
            for name, values in zip(renamed, (step.astype(np.float32), np.zeros(offset.shape, np.int8)), strict=True):
                stored[name] = numpy_helper.from_array(values, name)
                graph.initializer.append(stored[name])
        node.input[1], node.input[2] = renamed


def _dequantize_biases(graph: onnx.GraphProto) -> None:
    """Stores biases in float32 where the file has int32 with a scale, which TensorRT lacks."""
    stored = {tensor.name: tensor for tensor in graph.initializer}
    for node in [n for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in stored]:
        steps = stored[node.input[0]]
        if steps.data_type != TensorProto.INT32:
            continue
        values = numpy_helper.to_array(steps) * numpy_helper.to_array(stored[node.input[1]])
        graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), node.output[0]))
        graph.node.remove(node)


def _compute_backbone_in(model: onnx.ModelProto, half: int) -> None:
    """Puts casts around the backbone and around products with weights, and stores their weights in this type."""
    graph = model.graph
    floats = _float_tensors(model)
    weights = {tensor.name: tensor for tensor in graph.initializer}
    in_half = set(_nodes_in_half(graph, weights))
    types: dict[str, int] = dict.fromkeys(floats, int(TensorProto.FLOAT))
    made: dict[tuple[str, int], str] = {}
    nodes: list[onnx.NodeProto] = []

    def typed(name: str, wanted: int) -> str:
        """The tensor's name in a type; a cast or a converted weight is added where there is none yet."""
        if types.get(name, wanted) == wanted:
            return name
        if (name, wanted) not in made:
            other = made[name, wanted] = f"{name}_{TensorProto.DataType.Name(wanted).lower()}"
            if name in weights:
                graph.initializer.append(_converted(weights[name], other, wanted))
            else:
                nodes.append(helper.make_node("Cast", [name], [other], f"cast/{other}", to=wanted))
        return made[name, wanted]

    for i, node in enumerate(graph.node):
        wanted = half if i in in_half else TensorProto.FLOAT
        for j, name in enumerate(node.input):
            node.input[j] = typed(name, wanted)
        # A cast keeps the type it names, whatever surrounds it.
        if node.op_type != "Cast":
            types |= {name: wanted for name in node.output if name in floats}
        nodes.append(node)
    del graph.node[:]
    graph.node.extend(nodes)
    _return_float(graph, types)
    _forget_unused(graph)


def _float_tensors(model: onnx.ModelProto) -> set[str]:
    graph = onnx.shape_inference.infer_shapes(model).graph
    values = [*graph.value_info, *graph.input, *graph.output]
    typed = {value.name for value in values if value.type.tensor_type.elem_type == TensorProto.FLOAT}
    return typed | {tensor.name for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT}


def _nodes_in_half(graph: onnx.GraphProto, weights: dict[str, onnx.TensorProto]) -> Iterator[int]:
    """Places of the nodes from the backbone's first to its last, and of products with weights elsewhere."""
    dequantized = {n.output[0] for n in graph.node if n.op_type == "DequantizeLinear" and n.input[0] in weights}
    backbone = [i for i, node in enumerate(graph.node) if node.name.startswith("backbone")]
    for i, node in enumerate(graph.node):
        elsewhere = node.name.startswith(("aggregator", "input/pixels"))
        inside = bool(backbone) and backbone[0] <= i <= backbone[-1] and not elsewhere
        product = node.op_type in PRODUCTS and (node.input[1] in weights or node.input[1] in dequantized)
        if inside or product or node.op_type in _QUANTIZERS:
            yield i


def _converted(tensor: onnx.TensorProto, name: str, wanted: int) -> onnx.TensorProto:
    largest = _LARGEST[wanted]
    values = np.clip(numpy_helper.to_array(tensor), -largest, largest)
    return numpy_helper.from_array(values.astype(helper.tensor_dtype_to_np_dtype(wanted)), name)


def _return_float(graph: onnx.GraphProto, types: dict[str, int]) -> None:
    """Casts the descriptor to float32 where its last node computes in half precision."""
    if types["descriptor"] == TensorProto.FLOAT:
        return
    for node in graph.node:
        for i, name in enumerate(node.output):
            if name == "descriptor":
                node.output[i] = "descriptor_half"
    graph.node.append(
        helper.make_node("Cast", ["descriptor_half"], ["descriptor"], "cast/descriptor", to=TensorProto.FLOAT)
    )


def _forget_unused(graph: onnx.GraphProto) -> None:
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)
