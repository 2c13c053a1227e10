"""Results of the inference benchmark: kept as JSON, one run for each model and size, and shown as Markdown."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "torch", "onnxruntime", "openvino", "opencv-python-headless")

CAPTION = """
Batch of one, random weights but for the model that ships; best, median and 95th percentile of the timed calls. Ratio
and share of peak are by the best, which is what the hardware can do: on a machine with other work the median is not.
The ratio is to eager PyTorch in float32 on the same threads in the same run; the peak is the fastest matrix product of
that precision in the same run. The cosine is the least over eight pictures: to PyTorch, and for the file that ships,
whose weights PyTorch does not have here, to ONNX Runtime in float32. MB is the resident memory of a process that only
extracts: Python, libraries, mapped files and model.
""".strip()


@dataclass(frozen=True)
class Row:
    """One way to run a model.

    Attributes:
        ratio: How many times faster than eager PyTorch in float32, by the best times.
        cosine: Least cosine to the reference over the check images; None for the reference of a file PyTorch lacks.
        peak_share: Share of the matrix-product peak of this precision, measured in the same run, by the best time.
    """

    backend: str
    precision: str
    best_ms: float
    median_ms: float
    p95_ms: float
    ratio: float
    cosine: float | None
    resident_mb: float
    load_s: float
    peak_share: float | None


@dataclass(frozen=True)
class Run:
    """All of one model at one size.

    Attributes:
        gflop: Arithmetic of one image, 10^9 operations.
        peaks: Matrix-product peak by precision, G(FL)OP/s.
        load: Load average of the machine before the run.
        pictures: What the descriptors were compared on.
        aggregator_share: Of OpenVINO's time in float32.
        around_ms: Times of what surrounds the runtime, by name.
    """

    model: str
    size: str
    gflop: float
    peaks: dict[str, float]
    load: float
    pictures: str
    aggregator_share: float
    around_ms: dict[str, float]
    rows: list[Row]


def describe_machine(threads: int) -> dict[str, Any]:
    """What the numbers were measured on."""
    names = [
        line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line
    ]
    return {
        "cpu": names[0] if names else platform.processor(),
        "cores": os.cpu_count(),
        "threads": threads,
        "python": platform.python_version(),
        "versions": {package: version(package) for package in PACKAGES},
    }


def merge(file: Path, machine: dict[str, Any], run: Run) -> list[Run]:
    """Puts a run in the place of an earlier one of the same model and size, and writes all to ``file``.

    Raises:
        ValueError: The file's runs are of another machine, number of threads or versions.
    """
    runs: list[Run] = []
    if file.is_file():
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["machine"] != machine:
            raise ValueError(f"{file} was measured on another machine or with other versions; name another --out.")
        runs = [Run(**{**entry, "rows": [Row(**row) for row in entry["rows"]]}) for entry in content["runs"]]
    runs = sorted(
        [*(old for old in runs if (old.model, old.size) != (run.model, run.size)), run],
        key=lambda one: (one.model, one.gflop),
    )
    file.parent.mkdir(parents=True, exist_ok=True)
    content = {"machine": machine, "runs": [asdict(one) for one in runs]}
    file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return runs


def as_markdown(machine: dict[str, Any], runs: list[Run]) -> str:
    """The tables, and what they were measured on."""
    versions = ", ".join(f"{package} {number}" for package, number in machine["versions"].items())
    lines = [
        "# Inference on a CPU",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['threads']} threads; Python {machine['python']}, "
        f"{versions}. Written by `python benchmarks/inference.py`.",
        "",
        CAPTION,
        "",
        "| model | size | backend | precision | ms best | median | p95 | × eager | cosine | MB | load s | of peak |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    lines += [_line(run, row) for run in runs for row in run.rows]
    around = list(runs[0].around_ms)
    heads = ["model", "size", "GFLOP", "aggregator's share", *(f"{name}, ms" for name in around)]
    lines += ["", "| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for run in runs:
        times = [f"{run.around_ms[name]:.2f}" for name in around]
        cells = [run.model, run.size, f"{run.gflop:.2f}", f"{run.aggregator_share:.1%}", *times]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Matrix-product peak, G(FL)OP/s, the load average before each run, and the pictures compared:", ""]
    for run in runs:
        peaks = ", ".join(f"{precision} {peak:.0f}" for precision, peak in run.peaks.items())
        lines.append(f"- {run.model} {run.size}: {peaks}; load {run.load:.1f}; {run.pictures}")
    return "\n".join([*lines, ""])


def _line(run: Run, row: Row) -> str:
    cells = [
        run.model,
        run.size,
        row.backend,
        row.precision,
        f"{row.best_ms:.1f}",
        f"{row.median_ms:.1f}",
        f"{row.p95_ms:.1f}",
        f"{row.ratio:.2f}",
        "" if row.cosine is None else f"{row.cosine:.5f}",
        f"{row.resident_mb:.0f}",
        f"{row.load_s:.2f}",
        "" if row.peak_share is None else f"{row.peak_share:.0%}",
    ]
    return "| " + " | ".join(cells) + " |"
