"""How fast a model runs on this machine's CPU, by backend and precision, next to eager PyTorch in the same run.

    python benchmarks/inference.py                                # the small models, two threads
    python benchmarks/inference.py --models a2gc-dinov2-vitb14:322 --threads 4 --out benchmarks/results/mine

Weights are random: they do not change the speed. Every cell runs in its own process. Prints a table and writes it with
the machine and the versions to OUT.md, all numbers to OUT.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track

HERE = Path(__file__).resolve().parent
MODELS = ("a2gc-mobilenetv2:240x320", "a2gc-dinov2-vits14:224", "a2gc-dinov2-vits14:322", "a2gc-dinov2-vitb14:322")
WAYS = (
    ("torch", "fp32"),
    ("torch", "bf16"),
    ("onnxruntime", "fp32"),
    ("openvino", "fp32"),
    ("openvino", "bf16"),
)
CHECK_IMAGES = 4
GEMM_SIDE = 2048
PACKAGES = ("numpy", "torch", "onnxruntime", "openvino", "opencv-python-headless")


@dataclass(frozen=True)
class Row:
    """One cell of the table.

    Attributes:
        ratio: How many times faster than eager PyTorch in float32, by the medians.
        cosine: Least cosine to eager PyTorch's descriptors over the check images.
        peak_share: Share of the matrix-product peak of this precision, measured in the same run.
    """

    model: str
    size: str
    backend: str
    precision: str
    median_ms: float
    p95_ms: float
    ratio: float
    cosine: float
    resident_mb: float
    load_s: float
    gflop: float
    peak_share: float | None


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


def write_gemm(path: Path) -> None:
    """A matrix product with constant weights as an ONNX file."""
    import onnx

    weights = np.random.default_rng(1).standard_normal((GEMM_SIDE, GEMM_SIDE)).astype(np.float32)
    node = onnx.helper.make_node("MatMul", ["x", "w"], ["y"])
    x, y = (onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [GEMM_SIDE, GEMM_SIDE]) for name in "xy")
    graph = onnx.helper.make_graph([node], "gemm", [x], [y], [onnx.numpy_helper.from_array(weights, "w")])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9), path)


def measure_peaks(folder: Path, threads: int) -> dict[str, float]:
    """Best GFLOP/s of a matrix product by precision, over the runtimes."""
    file = folder / "gemm.onnx"
    write_gemm(file)
    peaks: dict[str, float] = {}
    for backend, precision in (("onnxruntime", "fp32"), ("openvino", "fp32"), ("openvino", "bf16")):
        job = {"kind": "gemm", "model": str(file), "side": GEMM_SIDE, "backend": backend, "precision": precision}
        found = run_cell({**job, "threads": threads, "repeats": 40, "seconds": 10})["gflop_per_s"]
        peaks[precision] = max(peaks.get(precision, 0.0), found)
    return peaks


def prepare_model(name: str, size: tuple[int, int], folder: Path) -> float:
    """Writes a random model as checkpoint and ONNX file, with images to compare on; returns its GFLOP per image."""
    import torch
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.utils.flop_counter import FlopCounterMode

    from a2gc_ros.extract.torch_export import check_images, export_onnx
    from a2gc_ros.models import build, checkpoints

    torch.manual_seed(0)
    model = build(name, image_size=size).bake()
    checkpoints.save(model, folder / "model.safetensors")
    export_onnx(model, folder / "model.onnx", licence="random weights")
    images = np.stack(check_images(model.preprocessing)[:CHECK_IMAGES])
    np.save(folder / "images.npy", images)
    # The counter knows the plain attention, not every fused one.
    with torch.inference_mode(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model(model.normalise(torch.from_numpy(images[:1])))
    return counter.get_total_flops() / 1e9


def measure_model(
    name: str, size: tuple[int, int], peaks: dict[str, float], options: argparse.Namespace, console: Console
) -> list[Row]:
    """One row for each way to run a model."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder_name:
        folder = Path(folder_name)
        with console.status(f"Exporting {name}"):
            gflop = prepare_model(name, size, folder)
        reference: tuple[float, np.ndarray] | None = None
        for backend, precision in track(
            WAYS, description=f"{name} {size[0]}x{size[1]}", console=console, transient=True
        ):
            descriptors_file = folder / f"{backend}-{precision}.npy"
            job = {
                "kind": "extractor",
                "model": str(folder / ("model.safetensors" if backend == "torch" else "model.onnx")),
                "images": str(folder / "images.npy"),
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
                if reference is None:
                    raise
                console.print(f"[yellow]{backend} {precision} left out:[/yellow] {error}", soft_wrap=True)
                continue
            descriptors = np.load(descriptors_file, allow_pickle=False)
            median = statistics.median(cell["times_ms"])
            if reference is None:
                reference = median, descriptors
            peak = peaks.get(precision)
            rows.append(
                Row(
                    model=name,
                    size=f"{size[0]}x{size[1]}",
                    backend=backend,
                    precision=precision,
                    median_ms=median,
                    p95_ms=float(np.percentile(cell["times_ms"], 95)),
                    ratio=reference[0] / median,
                    cosine=float((descriptors * reference[1]).sum(axis=1).min()),
                    resident_mb=cell["resident_mb"],
                    load_s=cell["load_s"],
                    gflop=gflop,
                    peak_share=gflop / median * 1e3 / peak if peak else None,
                )
            )
    return rows


def describe_machine(threads: int, peaks: dict[str, float]) -> dict[str, Any]:
    """What the numbers were measured on."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "load_before": os.getloadavg()[0],
        "gemm_peak_gflop_per_s": {precision: round(peak, 1) for precision, peak in peaks.items()},
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def as_markdown(machine: dict[str, Any], rows: list[Row]) -> str:
    """The table, and below it the machine."""
    lines = [
        "| model | size | backend | precision | ms median | ms p95 | × eager fp32 | cosine | MB | load s | of peak |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        share = "" if row.peak_share is None else f"{row.peak_share:.0%}"
        lines.append(
            f"| {row.model} | {row.size} | {row.backend} | {row.precision} | {row.median_ms:.1f} | {row.p95_ms:.1f} "
            f"| {row.ratio:.2f} | {row.cosine:.5f} | {row.resident_mb:.0f} | {row.load_s:.2f} | {share} |"
        )
    versions = ", ".join(f"{package} {number}" for package, number in machine["versions"].items())
    peaks = ", ".join(f"{p} {g:.0f} GFLOP/s" for p, g in machine["gemm_peak_gflop_per_s"].items())
    return "\n".join(
        [
            *lines,
            "",
            f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads, "
            f"load {machine['load_before']:.1f} before the run. "
            f"Matrix-product peak: {peaks}. Python {machine['python']}, {versions}.",
            "",
        ]
    )


def main() -> None:
    """Runs the benchmark."""
    from a2gc_ros.cli.export import parse_size

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, metavar="NAME:SIZE")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=50, help="timed calls of each cell")
    parser.add_argument("--seconds", type=float, default=20.0, help="stop timing a cell after this long")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "inference")
    options = parser.parse_args()
    console = Console(stderr=True)
    if os.getloadavg()[0] > 0.5:
        console.print(
            f"[yellow]The machine is busy (load {os.getloadavg()[0]:.1f}): expect slow, noisy numbers.[/yellow]"
        )
    with tempfile.TemporaryDirectory() as folder, console.status("Measuring the matrix-product peak"):
        peaks = measure_peaks(Path(folder), options.threads)
    machine = describe_machine(options.threads, peaks)
    rows: list[Row] = []
    for entry in options.models:
        name, _, size = entry.partition(":")
        pixels = parse_size(size)
        if pixels is None:
            parser.error(f"{entry} names no size; write {name}:322")
        rows += measure_model(name, pixels, peaks, options, console)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    text = as_markdown(machine, rows)
    options.out.with_suffix(".md").write_text(text, encoding="utf-8")
    content = {"machine": machine, "rows": [asdict(row) for row in rows]}
    options.out.with_suffix(".json").write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
