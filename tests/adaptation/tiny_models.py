"""Models small enough to be written by hand: the mean colors of an image's tiles, and a linear map of them."""

from __future__ import annotations

import cv2
import numpy as np
import numpy.typing as npt
from onnx import TensorProto, helper, numpy_helper

from a2gc_ros.extract.onnx_files.half_weights import store_weights_in_half
from a2gc_ros.extract.onnx_files.metadata import describe
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.images.preprocess import Preprocessing

HEIGHT, WIDTH, TILE, DIM = 24, 32, 4, 40
TILES = 3 * (HEIGHT // TILE) * (WIDTH // TILE)


def weights() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Mean (TILES,) and projection (TILES, DIM)."""
    rng = np.random.default_rng(3)
    return rng.normal(0, 20, TILES).astype(np.float32) + 120, rng.normal(0, 0.02, (TILES, DIM)).astype(np.float32)


def tiny_model(head: str, precision: str = "fp32") -> bytes:
    """Writes a described model.

    Args:
        head: whitening, projection, none (normalized tiles), or bare (tiles that nobody normalizes).
        precision: fp32, fp16 (as stored), or int8 (said, not done).
    """
    mean, projection = weights()
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        helper.make_node("AveragePool", ["planes"], ["tiles"], kernel_shape=[TILE, TILE], strides=[TILE, TILE]),
        helper.make_node("Flatten", ["tiles"], ["pooled"]),
    ]
    tensors = {"axes": np.array([1], np.int64), "floor": np.array(1e-12, np.float32)}
    values, dim = "values", DIM
    if head == "whitening":
        tensors |= {"mean": mean, "projection": projection}
        nodes.append(helper.make_node("Sub", ["pooled", "mean"], ["centered"]))
        nodes.append(helper.make_node("MatMul", ["centered", "projection"], ["values"]))
    elif head == "projection":
        tensors |= {"weight": np.ascontiguousarray(projection.T), "bias": -mean @ projection}
        nodes.append(helper.make_node("Gemm", ["pooled", "weight", "bias"], ["values"], transB=1))
    else:
        values, dim = "pooled", TILES
    if head == "bare":
        nodes.append(helper.make_node("Identity", [values], ["descriptor"]))
    else:
        nodes.append(helper.make_node("ReduceL2", [values, "axes"], ["length"], keepdims=1))
        nodes.append(helper.make_node("Clip", ["length", "floor"], ["clipped"]))
        nodes.append(helper.make_node("Div", [values, "clipped"], ["descriptor"]))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", HEIGHT, WIDTH, 3])],
        [helper.make_tensor_value_info("descriptor", TensorProto.FLOAT, ["batch", dim])],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    if precision == "fp16":
        assert store_weights_in_half(graph)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    spec = ModelSpec("tiny", dim, Preprocessing(height=HEIGHT, width=WIDTH), "c" * 64, "CC0-1.0", precision)
    return describe(model.SerializeToString(), spec)


def walk(count: int, seed: int = 0) -> list[npt.NDArray[np.uint8]]:
    """Images of a window that moves along a painted wall."""
    rng = np.random.default_rng(seed)
    wall = rng.integers(0, 256, (HEIGHT // TILE, 2 + count, 3), np.uint8)
    painted = cv2.resize(wall, ((2 + count) * TILE * 3, HEIGHT), interpolation=cv2.INTER_LINEAR)
    return [np.ascontiguousarray(painted[:, at * TILE * 2 : at * TILE * 2 + WIDTH]) for at in range(count)]
