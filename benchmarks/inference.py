"""How fast a model runs on this machine's CPU, by backend and precision, next to eager PyTorch in the same run.

    python benchmarks/inference.py                                     # what docs/export.md shows; a quarter of an hour
    python benchmarks/inference.py --models a2gc-dinov2-vitb14:322     # one of them; its rows replace earlier ones
    python benchmarks/inference.py --models a2gc-efficientnet-lite0:shipped --threads 1 --out mine

A model is NAME:SIZE with random weights, which do not change the speed, or NAME:shipped for the file that comes with
the package. Every cell runs in its own process. Exported and quantized files are kept in --files, so that a second run
only times. All numbers go to OUT.json, the tables to OUT.md, beside those of other machines.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from inference_models import Prepared, models_of, prepare
from inference_peaks import HERE, CellError, measure_peaks, run_cell
from inference_table import Machine, Row, Run, as_markdown, merge
from rich.console import Console
from rich.markup import escape
from rich.progress import track

from a2gc_ros.extract.runtime import QUANTIZED

MODELS = (
    "a2gc-efficientnet-lite0:shipped",
    "a2gc-dinov2-vits14:224",
    "a2gc-dinov2-vits14:322",
    "a2gc-dinov2-vitb14:224",
    "a2gc-dinov2-vitb14:322",
)
WAYS = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("onnxruntime", "fp32"),
    ("onnxruntime", "int8"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
    ("openvino", "int8"),
    ("openvino", "int8-bf16"),
)


def measure_rows(
    name: str, model: Prepared, peaks: dict[str, float], options: argparse.Namespace, console: Console
) -> list[Row]:
    """One row for each way to run a model."""
    rows: list[Row] = []
    eager_ms = 0.0
    reference: np.ndarray | None = None
    for backend, precision in track(WAYS, description=name, console=console, transient=True):
        file = "model.safetensors" if backend == "torch" else f"model{'-int8' * (precision in QUANTIZED)}.onnx"
        descriptors_file = model.folder / f"{backend}-{precision}.npy"
        job = {
            "kind": "extractor",
            "model": str(model.folder / file),
            "images": str(model.folder / "images.npy"),
            "descriptors": str(descriptors_file),
            "backend": backend,
            "precision": precision,
            "threads": options.threads,
            "repeats": options.repeats,
            "seconds": options.seconds,
        }
        try:
            cell = run_cell(job)
        except CellError as error:
            if not rows:
                raise
            console.print(f"[yellow]{backend} {precision} left out:[/yellow] {escape(str(error))}", soft_wrap=True)
            continue
        best = min(cell["times_ms"])
        eager_ms = eager_ms or best
        descriptors = np.load(descriptors_file, allow_pickle=False)
        # PyTorch has other weights than the file that ships.
        comparable = not (model.shipped and backend == "torch")
        if reference is None and comparable:
            reference = descriptors
        peak = peaks.get("int8" if precision in QUANTIZED else precision)
        rows.append(
            Row(
                backend=backend,
                precision=precision,
                best_ms=best,
                median_ms=statistics.median(cell["times_ms"]),
                p95_ms=float(np.percentile(cell["times_ms"], 95)),
                ratio=eager_ms / best,
                cosine=float((descriptors * reference).sum(axis=1).min())
                if comparable and reference is not None
                else None,
                resident_mb=cell["resident_mb"],
                load_s=cell["load_s"],
                peak_share=model.gflop / best * 1e3 / peak if peak else None,
            )
        )
    return rows


def measure(name: str, size: tuple[int, int] | None, options: argparse.Namespace, console: Console) -> Run:
    """Everything about one model."""
    label = "shipped" if size is None else f"{size[0]}x{size[1]}"
    with console.status(f"Making the files of {name} {label}"):
        model = prepare(name, size, options.files, options.images)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder, console.status("Measuring the matrix-product peak"):
        peaks = measure_peaks(Path(folder), options.threads)
    rows = measure_rows(f"{name} {label}", model, peaks, options, console)
    job: dict[str, Any] = {"model": str(model.folder / "model.onnx"), "threads": options.threads}
    with console.status("Measuring what surrounds the runtime"):
        around = run_cell({"kind": "around", **job})
        share = run_cell({"kind": "aggregator", **job})["share"]
    return Run(name, label, model.gflop, peaks, load, model.pictures, share, around, rows)


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME:SIZE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=50, help="timed calls of each cell")
    parser.add_argument("--seconds", type=float, default=15.0, help="stop timing a cell after this long")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "inference")
    parser.add_argument("--files", type=Path, default=HERE.parent / "build" / "inference", help="exported files")
    parser.add_argument(
        "--images", type=Path, help="photographs to compare and calibrate on, instead of generated ones"
    )
    parser.add_argument("--prepare", action="store_true", help="only make the files, which needs no quiet machine")
    options = parser.parse_args()
    console = Console(stderr=True)
    wanted = models_of(parser, options.models)
    if options.prepare:
        for name, pixels in track(wanted, description="Making files", console=console):
            prepare(name, pixels, options.files, options.images)
        return
    if os.getloadavg()[0] > 0.5:
        console.print(
            f"[yellow]The machine is busy (load {os.getloadavg()[0]:.1f}): expect slow, noisy numbers.[/yellow]"
        )
    machine = Machine.here(options.threads)
    for name, pixels in wanted:
        run = measure(name, pixels, options, console)
        try:
            measured = merge(options.out.with_suffix(".json"), machine, run)
        except ValueError as error:
            parser.error(str(error))
        options.out.with_suffix(".md").write_text(as_markdown(measured), encoding="utf-8")
    print(options.out.with_suffix(".md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
