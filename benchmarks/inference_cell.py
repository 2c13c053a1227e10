"""One cell of the inference benchmark, in a process of its own: its memory and its load time are its alone.

Reads a JSON job from the first argument and prints a JSON result. See ``inference.py``.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CAMERA = (1080, 1920)


def resident_mb() -> float:
    """Resident memory of this process, 10^6 bytes: Python, libraries and model, with the pages of mapped files."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def milliseconds(call: Callable[[], object], *, repeats: int, seconds: float) -> list[float]:
    """Times of calls after two for warming up: ``repeats`` of them, or as many as fit in ``seconds``, at least 5."""
    for _ in range(2):
        call()
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < repeats and (len(times) < 5 or time.perf_counter() - begun < seconds):
        start = time.perf_counter()
        call()
        times.append((time.perf_counter() - start) * 1e3)
    return times


def extractor_cell(job: dict[str, Any]) -> dict[str, Any]:
    """Times one model on one backend; the descriptors of the check images go to the job's file."""
    from a2gc_ros.extract import open_extractor

    begun = time.perf_counter()
    extractor = open_extractor(job["model"], backend=job["backend"], precision=job["precision"], threads=job["threads"])
    loaded = time.perf_counter() - begun
    images = np.load(job["images"], allow_pickle=False)
    # One by one, as a robot's images come: a runtime's memory follows the largest batch.
    np.save(job["descriptors"], np.concatenate([extractor.run(images[i : i + 1]) for i in range(len(images))]))
    times = milliseconds(lambda: extractor.run(images[:1]), repeats=job["repeats"], seconds=job["seconds"])
    memory = extractor.gpu_memory_mb()
    gpu_mb = None if memory is None else memory[0]
    return {"load_s": loaded, "times_ms": times, "resident_mb": resident_mb(), "gpu_mb": gpu_mb}


class _Instant:
    """A runtime that has its answer already."""

    name, precision = "none", "fp32"

    def __init__(self, descriptor_dim: int) -> None:
        self._descriptor = np.ones((1, descriptor_dim), np.float32)

    def __call__(self, _batch: object) -> Any:
        return self._descriptor


def around_cell(job: dict[str, Any]) -> dict[str, Any]:
    """Times what surrounds the runtime: the extractor's own work, the resize, and the decoding of a camera's JPEG."""
    import cv2

    from a2gc_ros.extract import Extractor
    from a2gc_ros.extract.onnx_files.metadata import read_spec
    from a2gc_ros.images.decode import decode_compressed

    cv2.setNumThreads(1)
    spec = read_spec(Path(job["model"]))
    extractor = Extractor(spec, _Instant(spec.descriptor_dim))  # type: ignore[arg-type]
    prepared = np.zeros((1, spec.preprocessing.height, spec.preprocessing.width, 3), np.uint8)
    coarse = np.random.default_rng(0).integers(0, 256, (68, 120, 3), np.uint8)
    camera = np.asarray(cv2.resize(coarse, CAMERA[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    noise = np.random.default_rng(1).integers(-8, 9, camera.shape)
    camera = np.clip(camera + noise, 0, 255).astype(np.uint8)
    jpeg = cv2.imencode(".jpg", camera)[1].tobytes()
    size = spec.preprocessing.useful_size
    reduced = decode_compressed(jpeg, max_size=size)
    calls: dict[str, Callable[[], object]] = {
        "extractor around the runtime": lambda: extractor.run(prepared),
        "resize 1920x1080": lambda: extractor.prepare(camera),
        "resize 640x480": lambda: extractor.prepare(camera[:480, :640]),
        "decode a 1920x1080 JPEG": lambda: decode_compressed(jpeg),
        "decode it at reduced scale": lambda: decode_compressed(jpeg, max_size=size),
        "resize it from reduced scale": lambda: extractor.prepare(reduced),
    }
    return {name: float(np.median(milliseconds(call, repeats=60, seconds=2))) for name, call in calls.items()}


def aggregator_cell(job: dict[str, Any]) -> dict[str, Any]:
    """Share of OpenVINO's time that goes to the aggregator, by its own counters."""
    import openvino

    core = openvino.Core()
    model = core.read_model(job["model"])
    shape = model.input("images").partial_shape
    shape[0] = 1
    model.reshape({"images": shape})
    settings = {
        "INFERENCE_NUM_THREADS": job["threads"],
        "INFERENCE_PRECISION_HINT": "f32",
        "NUM_STREAMS": 1,
        "PERF_COUNT": True,
    }
    request = core.compile_model(model, "CPU", settings).create_infer_request()
    image = np.zeros([d.get_length() for d in shape], np.uint8)
    shares = []
    for _ in range(8):
        request.infer({"images": image})
        own = total = 0.0
        seen = False
        # In the order of execution. Parts of a decomposed operation have names of their own, so everything from the
        # aggregator's first node on is its work, as the backbone is done by then; all but its norms carry its name.
        for part in request.profiling_info:
            spent = part.real_time.total_seconds()
            total += spent
            seen = seen or part.node_name.startswith("aggregator")
            if seen and not part.node_name.startswith("backbone") and part.node_type != "MVN":
                own += spent
        shares.append(own / total)
    return {"share": float(np.median(shares[2:]))}


def gemm_cell(job: dict[str, Any]) -> dict[str, Any]:
    """Times matrix products with constant weights: the roofline of this machine, runtime and precision."""
    rows, inner, columns = job["shape"]
    rng = np.random.default_rng(0)
    x = rng.standard_normal((rows, inner)).astype(np.float32)
    if job["backend"] == "onnxruntime":
        import onnxruntime

        if job["precision"] == "int8":
            x = rng.integers(0, 128, (rows, inner), np.uint8)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job["threads"]
        session = onnxruntime.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])
        best = min(milliseconds(lambda: session.run(None, {"x": x}), repeats=40, seconds=5))
    else:
        import openvino

        hint = "bf16" if job["precision"] == "bf16" else "f32"
        settings = {
            "INFERENCE_NUM_THREADS": job["threads"],
            "INFERENCE_PRECISION_HINT": hint,
            "NUM_STREAMS": 1,
            "PERF_COUNT": True,
        }
        request = openvino.Core().compile_model(job["model"], "CPU", settings).create_infer_request()
        products: list[float] = []

        def call() -> None:
            request.infer({"x": x}, share_inputs=True, share_outputs=True)
            spent = [p.real_time.total_seconds() for p in request.profiling_info if p.node_type == "FullyConnected"]
            products.append(max(spent) * 1e3)

        milliseconds(call, repeats=40, seconds=5)
        best = min(products)
    return {"gflop_per_s": 2 * rows * inner * columns / best / 1e6}


def gpu_gemm_cell(_job: dict[str, Any]) -> dict[str, Any]:
    """G(FL)OP/s of cuBLAS's large matrix products by precision: the roofline of a GPU."""
    import torch

    side, repeats = 8192, 20
    peaks: dict[str, float] = {}
    for precision, dtype in (("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)):
        a, b = (torch.randn(side, side, device="cuda", dtype=dtype) for _ in range(2))
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        for _ in range(3):
            a @ b
        start.record()
        for _ in range(repeats):
            a @ b
        end.record()
        end.synchronize()
        peaks[precision] = 2 * side**3 * repeats / start.elapsed_time(end) / 1e6
    return peaks


CELLS = {
    "extractor": extractor_cell,
    "around": around_cell,
    "aggregator": aggregator_cell,
    "gemm": gemm_cell,
    "gpu_gemm": gpu_gemm_cell,
}

if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    print(json.dumps(CELLS[task["kind"]](task)))
