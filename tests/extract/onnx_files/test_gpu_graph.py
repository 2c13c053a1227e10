"""The graph that GPU runtimes get: same descriptors, half precision where it is meant, nothing they lack."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from a2gc_ros.errors import BackendError
from a2gc_ros.extract.onnx_files.gpu_graph import PRODUCTS, typed_for_gpu
from a2gc_ros.extract.onnx_files.metadata import describe
from a2gc_ros.extract.quantize import quantize
from a2gc_ros.shipped import shipped_models


def run(model: bytes, batch: np.ndarray) -> np.ndarray:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session.run(["descriptor"], {"images": batch})[0]


def cosines(a, b):
    return (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    graph = onnx.shape_inference.infer_shapes(model, strict_mode=True).graph
    types = {value.name: value.type.tensor_type.elem_type for value in (*graph.value_info, *graph.input, *graph.output)}
    return types | {tensor.name: tensor.data_type for tensor in graph.initializer}


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.999999), ("fp16", 0.999)])
def test_the_descriptors_are_the_models(sample, precision, least):
    model = typed_for_gpu(sample.file, precision)
    batch = sample.batch(2)
    assert cosines(run(model, batch), sample.expected(batch)).min() >= least


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp16", "bf16"])
def test_half_precision_that_rounds_after_every_step_keeps_the_descriptors(small, precision):
    # ONNX Runtime on a CPU skips roundings between steps; the reference does each step in its own type.
    model = onnx.load_model_from_string(typed_for_gpu(small.file, precision))
    (descriptors,) = ReferenceEvaluator(model).run(["descriptor"], {"images": small.batch(1)})
    assert descriptors.dtype == np.float32
    assert cosines(descriptors, small.expected(small.batch(1))).min() >= 0.999


@pytest.mark.parametrize(("precision", "half"), [("fp16", TensorProto.FLOAT16), ("bf16", TensorProto.BFLOAT16)])
def test_the_backbone_and_weighted_products_are_in_half_precision_and_the_transport_is_not(small, precision, half):
    model = onnx.load_model_from_string(typed_for_gpu(small.file, precision))
    types = types_of(model)
    weights = {tensor.name for tensor in model.graph.initializer}
    seen = set()
    for node in model.graph.node:
        floats = {types[name] for name in node.input if types[name] in (TensorProto.FLOAT, half)}
        if node.op_type == "Cast" or not floats:
            continue
        weighted = node.op_type in PRODUCTS and node.input[1] in weights
        if weighted or node.name.startswith("backbone"):
            assert floats == {half}, node.name
            seen.add("half")
        elif node.name.startswith("aggregator"):
            assert floats == {TensorProto.FLOAT}, node.name
            seen.add("float")
    assert seen == {"half", "float"}
    # Casts stand at the borders only: a few for each weighted product of the aggregator.
    casts = sum(node.op_type == "Cast" for node in model.graph.node)
    assert casts < 16


def test_no_step_but_the_cast_sees_bytes(sample):
    graph = onnx.load_model_from_string(typed_for_gpu(sample.file, "fp32")).graph
    assert [node.op_type for node in graph.node if "images" in node.input] == ["Cast"]
    assert [output.name for output in graph.output] == ["descriptor"]


def test_weights_stored_in_half_are_those_of_the_file():
    (file,) = shipped_models().values()
    graph = onnx.load_model_from_string(typed_for_gpu(file, "fp16")).graph
    assert {t.data_type for t in graph.initializer if np.prod(t.dims) > 4096} == {TensorProto.FLOAT16}


@pytest.mark.slow
@pytest.mark.parametrize("key", ["dinov2", "mobilenetv2"])
def test_a_quantised_file_gets_steps_around_zero_and_biases_in_float(samples, tmp_path, key):
    sample = samples(key)
    images = [np.ascontiguousarray(image) for image in sample.batch(6)]
    file = quantize(sample.file, tmp_path / "int8.onnx", images, allow_drop=True).path
    typed = typed_for_gpu(file, "int8")
    graph = onnx.load_model_from_string(typed).graph
    stored = {tensor.name: tensor for tensor in graph.initializer}
    quantizers = [node for node in graph.node if node.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert quantizers
    for node in quantizers:
        zeros = onnx.numpy_helper.to_array(stored[node.input[2]])
        assert zeros.dtype == np.int8
        assert not zeros.any()
        assert node.input[0] not in stored or stored[node.input[0]].data_type == TensorProto.INT8
    batch = sample.batch(6)
    # Coarser steps, so less alike than float and int8 are; a wrong step would leave nothing alike.
    assert cosines(run(typed, batch), run(file.read_bytes(), batch)).mean() > 0.95


@pytest.mark.parametrize("graph", [b"\x08\x0a\x3a\x04\x0a\x02\x08\x01", b"\x08\x0a\x3a\x02\x0a\x09"])
def test_a_described_file_whose_graph_makes_no_sense_is_refused(small, tmp_path, graph):
    file = tmp_path / "odd.onnx"
    file.write_bytes(describe(graph, small.exported.spec))
    with pytest.raises(BackendError, match=r"onnx cannot load .* export it again"):
        typed_for_gpu(file, "fp16")
