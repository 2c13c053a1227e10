"""How fast a model runs on this machine's NVIDIA GPU, by backend, next to PyTorch compiled with CUDA graphs.

    python benchmarks/inference_gpu.py                                    # the model that ships, DINOv2 S and B
    python benchmarks/inference_gpu.py --models a2gc-dinov2-vitb14:322 --out mine

A model is NAME:SIZE with random weights, which do not change the speed, or NAME:shipped for the file that comes with
the package. Every way runs in its own process; engines are built before they are timed. What is not installed or does
not run is left out and named. The peak is the fastest matrix product of that precision by cuBLAS in the same run.
Writes OUT.json and OUT.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from inference_models import models_of, prepare
from inference_peaks import HERE, CellError, run_cell
from kept_results import keep
from rich.console import Console
from rich.markup import escape
from rich.progress import track

MODELS = ("a2gc-efficientnet-lite0:shipped", "a2gc-dinov2-vits14:224", "a2gc-dinov2-vitb14:322")
REFERENCE = ("onnxruntime", "fp32")
"""On the CPU; only for its descriptors."""

PEER = ("torch-compile", "fp16")
WAYS = (
    ("torch", "fp32"),
    ("torch", "fp16"),
    PEER,
    ("onnxruntime-cuda", "fp32"),
    ("onnxruntime-cuda", "fp16"),
    ("onnxruntime-tensorrt", "fp16"),
    ("tensorrt-rtx", "fp32"),
    ("tensorrt-rtx", "fp16"),
    ("tensorrt", "fp32"),
    ("tensorrt", "bf16"),
    ("tensorrt", "fp16"),
)


@dataclass(frozen=True)
class Row:
    """One way to run a model.

    Attributes:
        ratio: How many times faster than compiled PyTorch in float16, by the medians; None where that did not run.
        cosine: Least cosine over the check images to ONNX Runtime on the CPU in float32; None for PyTorch with other
            weights than the file that ships.
        gpu_mb: Memory of the GPU in use, by all processes, with the model loaded; None where it is not told.
        peak_share: Share of the matrix-product peak of this precision, by the median.
    """

    model: str
    size: str
    backend: str
    precision: str
    best_ms: float
    median_ms: float
    p95_ms: float
    ratio: float | None
    cosine: float | None
    gpu_mb: float | None
    load_s: float
    peak_share: float | None


def measure(name: str, size: tuple[int, int] | None, options: argparse.Namespace, console: Console) -> list[Row]:
    """One row for each way that runs here."""
    with console.status(f"Making the files of {name}"):
        model = prepare(name, size, options.files, None)
    peaks = run_cell({"kind": "gpu_gemm", "threads": options.threads})

    def job(backend: str, precision: str, repeats: int) -> dict[str, Any]:
        return {
            "kind": "extractor",
            "model": str(model.folder / ("model.safetensors" if backend.startswith("torch") else "model.onnx")),
            "images": str(model.folder / "images.npy"),
            "descriptors": str(model.folder / "gpu.npy"),
            "backend": backend,
            "precision": precision,
            "threads": options.threads,
            "repeats": repeats,
            "seconds": options.seconds,
        }

    run_cell(job(*REFERENCE, 1))
    reference = np.load(model.folder / "gpu.npy", allow_pickle=False)
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    cosines: dict[tuple[str, str], float] = {}
    for way in track(WAYS, description=name, console=console, transient=True):
        backend, precision = way
        try:
            if "tensorrt" in backend:
                # Builds the engine; the second load is what a robot waits for.
                run_cell(job(*way, 1))
            cells[way] = run_cell(job(*way, options.repeats))
        except CellError as error:
            console.print(f"[yellow]{backend} {precision} left out:[/yellow] {escape(str(error))}", soft_wrap=True)
            continue
        if not (model.shipped and backend.startswith("torch")):
            found = np.load(model.folder / "gpu.npy", allow_pickle=False)
            cosines[way] = float((found * reference).sum(axis=1).min())
    medians = {way: statistics.median(cell["times_ms"]) for way, cell in cells.items()}
    return [
        Row(
            model=name,
            size="shipped" if size is None else f"{size[0]}x{size[1]}",
            backend=way[0],
            precision=way[1],
            best_ms=min(cell["times_ms"]),
            median_ms=medians[way],
            p95_ms=float(np.percentile(cell["times_ms"], 95)),
            ratio=medians[PEER] / medians[way] if PEER in medians else None,
            cosine=cosines.get(way),
            gpu_mb=cell["gpu_mb"],
            load_s=cell["load_s"],
            peak_share=model.gflop / medians[way] / peaks[way[1]] * 1e3,
        )
        for way, cell in cells.items()
    ]


def as_markdown(machine: str, rows: list[Row]) -> str:
    """The table, and what it was measured on."""
    heads: tuple[str, ...] = (
        "model",
        "size",
        "backend",
        "precision",
        "ms best",
        "median",
        "p95",
        "× compiled torch fp16",
        "cosine",
    )
    heads += ("GPU MB", "load s", "of peak")
    lines = ["# Inference on a GPU", "", machine, "", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        cells = [row.model, row.size, row.backend, row.precision]
        cells += [f"{row.best_ms:.2f}", f"{row.median_ms:.2f}", f"{row.p95_ms:.2f}"]
        cells += ["" if row.ratio is None else f"{row.ratio:.2f}", "" if row.cosine is None else f"{row.cosine:.5f}"]
        cells += ["" if row.gpu_mb is None else f"{row.gpu_mb:.0f}", f"{row.load_s:.2f}"]
        cells += ["" if row.peak_share is None else f"{row.peak_share:.0%}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Runs the benchmark."""
    from a2gc_ros.extract.gpu import has_gpu

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME:SIZE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=200, help="timed calls of each way")
    parser.add_argument("--seconds", type=float, default=15.0, help="stop timing a way after this long")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "inference_gpu")
    parser.add_argument("--files", type=Path, default=HERE.parent / "build" / "inference", help="exported files")
    options = parser.parse_args()
    if not has_gpu():
        sys.exit("There is no NVIDIA GPU here; benchmarks/inference.py measures on the CPU.")
    console = Console(stderr=True)
    wanted = models_of(parser, options.models)
    import torch

    device = torch.cuda.get_device_properties(0)
    machine = f"{device.name}, compute capability {device.major}.{device.minor}; torch {torch.__version__}."
    rows: list[Row] = []
    for name, pixels in wanted:
        rows += measure(name, pixels, options, console)
        keep(options.out, machine, rows, as_markdown(machine, rows))
    print(as_markdown(machine, rows))


if __name__ == "__main__":
    main()
