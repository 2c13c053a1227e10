"""A model that needs no training and no torch: the descriptor is a small gray copy of the image."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from a2gc_ros.extract.onnx_files.metadata import describe
from a2gc_ros.extract.spec import ModelSpec
from a2gc_ros.images.preprocess import Preprocessing

HEIGHT, WIDTH = 24, 32


def write_thumbnail_model(path: Path, *, seed: int = 0, height: int = HEIGHT, width: int = WIDTH) -> ModelSpec:
    """Writes the model; another seed gives another fingerprint, and nothing else."""
    gray = helper.make_node("ReduceMean", ["pixels"], ["gray"], axes=[3], keepdims=0)
    nodes = [
        helper.make_node("Cast", ["images"], ["pixels"], to=TensorProto.FLOAT),
        gray,
        helper.make_node("Reshape", ["gray", "shape"], ["flat"]),
        helper.make_node("ReduceMean", ["flat"], ["mean"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["flat", "mean"], ["centered"]),
        helper.make_node("Add", ["centered", "small"], ["safe"]),
        helper.make_node("LpNormalization", ["safe"], ["descriptor"], axis=1, p=2),
    ]
    dim = height * width
    graph = helper.make_graph(
        nodes,
        "thumbnail",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["n", height, width, 3])],
        [helper.make_tensor_value_info("descriptor", TensorProto.FLOAT, ["n", dim])],
        [
            numpy_helper.from_array(np.array([-1, dim], dtype=np.int64), "shape"),
            numpy_helper.from_array(np.array([1e-3], dtype=np.float32), "small"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 8
    onnx.checker.check_model(model)
    fingerprint = hashlib.sha256(f"thumbnail {seed} {height}x{width}".encode()).hexdigest()
    spec = ModelSpec("thumbnail", dim, Preprocessing(height, width), fingerprint, "CC0-1.0")
    path.write_bytes(describe(model.SerializeToString(), spec))
    return spec
