"""One cell of the inference benchmark, in a process of its own: its memory and its load time are its alone.

Reads a JSON job from the first argument and prints a JSON result. See ``inference.py``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


def resident_mb() -> float:
    """Resident memory of this process, MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def milliseconds(call: Any, argument: Any, *, repeats: int, seconds: float) -> list[float]:
    """Times of calls after two for warming up: ``repeats`` of them, or as many as fit in ``seconds``, at least 5."""
    for _ in range(2):
        call(argument)
    times: list[float] = []
    begun = time.perf_counter()
    while len(times) < repeats and (len(times) < 5 or time.perf_counter() - begun < seconds):
        start = time.perf_counter()
        call(argument)
        times.append((time.perf_counter() - start) * 1e3)
    return times


def extractor_cell(job: dict[str, Any]) -> dict[str, Any]:
    """Times one model on one backend; the descriptors of the check images go to the job's file."""
    from a2gc_ros.extract import open_extractor

    begun = time.perf_counter()
    extractor = open_extractor(job["model"], backend=job["backend"], precision=job["precision"], threads=job["threads"])
    loaded = time.perf_counter() - begun
    images = np.load(job["images"], allow_pickle=False)
    np.save(job["descriptors"], extractor.run(images))
    times = milliseconds(extractor.run, images[:1], repeats=job["repeats"], seconds=job["seconds"])
    return {"load_s": loaded, "times_ms": times, "resident_mb": resident_mb()}


def gemm_cell(job: dict[str, Any]) -> dict[str, Any]:
    """Times a square matrix product with constant weights: the roofline of this machine, runtime and precision."""
    side = job["side"]
    x = np.random.default_rng(0).standard_normal((side, side)).astype(np.float32)
    if job["backend"] == "onnxruntime":
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = job["threads"]
        session = onnxruntime.InferenceSession(job["model"], options, providers=["CPUExecutionProvider"])
        times = milliseconds(lambda v: session.run(None, {"x": v}), x, repeats=job["repeats"], seconds=job["seconds"])
    else:
        import openvino

        hint = {"bf16": "bf16"}.get(job["precision"], "f32")
        settings = {"INFERENCE_NUM_THREADS": job["threads"], "INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1}
        request = openvino.Core().compile_model(job["model"], "CPU", settings).create_infer_request()
        times = milliseconds(
            lambda v: request.infer({"x": v}, share_inputs=True, share_outputs=True),
            x,
            repeats=job["repeats"],
            seconds=job["seconds"],
        )
    return {"gflop_per_s": 2 * side**3 / min(times) / 1e6}


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    print(json.dumps({"extractor": extractor_cell, "gemm": gemm_cell}[task["kind"]](task)))
