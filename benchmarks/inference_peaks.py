"""The roofline of a machine: the fastest matrix product of each precision, over runtimes and shapes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parent
SHAPES = ((2048, 2048, 2048), (530, 768, 3072))
"""Rows, inner size, columns: a square, and the first layer of ViT-B's feed-forward part at 322 pixels."""

WAYS = (
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("onnxruntime", "int8"),
    ("openvino", "int8"),
)


class CellError(RuntimeError):
    """A cell's process failed; the message is its last line."""


def run_cell(job: dict[str, Any]) -> dict[str, Any]:
    """Runs a job in a fresh process whose libraries all use the job's number of threads."""
    threads = str(job["threads"])
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    command = [sys.executable, str(HERE / "inference_cell.py"), json.dumps(job)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise CellError(done.stderr.strip().splitlines()[-1])
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def measure_peaks(folder: Path, threads: int) -> dict[str, float]:
    """Best G(FL)OP/s of a matrix product by precision; a precision that cannot be had is left out."""
    peaks: dict[str, float] = {}
    file = folder / "gemm.onnx"
    for shape in SHAPES:
        for backend, precision in WAYS:
            _write_product(file, shape, backend, precision)
            job = {"kind": "gemm", "model": str(file), "shape": shape, "backend": backend, "precision": precision}
            try:
                found = run_cell({**job, "threads": threads})["gflop_per_s"]
            except CellError:
                continue
            peaks[precision] = max(peaks.get(precision, 0.0), found)
    return peaks


def _write_product(path: Path, shape: tuple[int, int, int], backend: str, precision: str) -> None:
    """Writes x @ w as an ONNX file; in int8 as the runtime is given it by a quantized model, or as it is fastest."""
    rows, inner, columns = shape
    rng = np.random.default_rng(1)
    floats = rng.standard_normal((inner, columns)).astype(np.float32)
    x_type, y_type = TensorProto.FLOAT, TensorProto.FLOAT
    constants = {"w": floats}
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    if precision == "int8":
        constants["w"] = rng.integers(-127, 128, (inner, columns), np.int8)
        if backend == "onnxruntime":
            x_type, y_type = TensorProto.UINT8, TensorProto.INT32
            nodes = [helper.make_node("MatMulInteger", ["x", "w"], ["y"])]
        else:
            constants |= {
                "scale": np.array(0.03, np.float32),
                "zero": np.array(128, np.uint8),
                "scales": np.full(columns, 0.01, np.float32),
                "zeros": np.zeros(columns, np.int8),
            }
            nodes = [
                helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"]),
                helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"]),
                helper.make_node("DequantizeLinear", ["w", "scales", "zeros"], ["wd"], axis=1),
                helper.make_node("MatMul", ["xd", "wd"], ["y"]),
            ]
    graph = helper.make_graph(
        nodes,
        "gemm",
        [helper.make_tensor_value_info("x", x_type, [rows, inner])],
        [helper.make_tensor_value_info("y", y_type, [rows, columns])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
