"""Results of the inference benchmark: kept as JSON, by machine, model and size, and shown as Markdown."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

INSTRUCTIONS = (
    "avx2",
    "avx512f",
    "avx512_vnni",
    "avx512_bf16",
    "amx_bf16",
    "amx_int8",
    "asimd",
    "asimddp",
    "bf16",
    "i8mm",
)
"""Those that decide how fast matrix products are, as /proc/cpuinfo calls them."""

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


@dataclass(frozen=True)
class Machine:
    """What runs were measured on.

    Attributes:
        cpu: As the system calls it.
        instructions: Those of :data:`INSTRUCTIONS` that it has.
        versions: Of :data:`PACKAGES`.
    """

    cpu: str
    instructions: tuple[str, ...]
    cores: int
    threads: int
    python: str
    versions: dict[str, str]

    @classmethod
    def here(cls, threads: int) -> Machine:
        """This machine, of which so many threads are used."""
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
        flags = facts.get("flags", facts.get("Features", "")).split()
        return cls(
            facts.get("model name", platform.processor()),
            tuple(name for name in INSTRUCTIONS if name in flags),
            os.cpu_count() or 1,
            threads,
            platform.python_version(),
            {package: version(package) for package in PACKAGES},
        )

    def __str__(self) -> str:
        versions = ", ".join(f"{package} {number}" for package, number in self.versions.items())
        return (
            f"{self.cpu} ({', '.join(self.instructions)}), {self.cores} cores, {self.threads} threads; "
            f"Python {self.python}, {versions}."
        )


@dataclass(frozen=True)
class Measured:
    """The runs of one machine, by model and arithmetic."""

    machine: Machine
    runs: list[Run]


def read(file: Path) -> list[Measured]:
    """What is in a file of results; nothing where there is no file."""
    if not file.is_file():
        return []
    return [
        Measured(
            Machine(**{**entry["machine"], "instructions": tuple(entry["machine"]["instructions"])}),
            [Run(**{**run, "rows": [Row(**row) for row in run["rows"]]}) for run in entry["runs"]],
        )
        for entry in json.loads(file.read_text(encoding="utf-8"))
    ]


def merge(file: Path, machine: Machine, run: Run) -> list[Measured]:
    """Puts a run in the place of an earlier one of the same machine, model and size, and writes all to ``file``.

    Raises:
        ValueError: The file's runs of this CPU are of another number of threads or of other versions.
    """
    measured = read(file)
    old: list[Run] = []
    for other in [other for other in measured if other.machine.cpu == machine.cpu]:
        if other.machine != machine:
            raise ValueError(
                f"{file} has runs of this CPU with other threads or versions; name another --out, or remove them."
            )
        old = [one for one in other.runs if (one.model, one.size) != (run.model, run.size)]
    measured = [other for other in measured if other.machine.cpu != machine.cpu]
    measured.append(Measured(machine, sorted([*old, run], key=lambda one: (one.model, one.gflop))))
    measured.sort(key=lambda one: one.machine.cpu)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps([asdict(one) for one in measured], indent=1) + "\n", encoding="utf-8")
    return measured


def as_markdown(measured: list[Measured]) -> str:
    """All machines side by side, where there are several, then the tables of each."""
    lines = ["# Inference on a CPU", "", "Written by `python benchmarks/inference.py`.", "", CAPTION, ""]
    if len(measured) > 1:
        lines += ["## Side by side", "", *_side_by_side(measured), ""]
    for one in measured:
        lines += [f"## {one.machine.cpu}", "", str(one.machine), "", *_tables(one.runs), ""]
    return "\n".join(lines)


def _side_by_side(measured: list[Measured]) -> list[str]:
    """A line for each way to run a model, a group of columns for each machine."""
    lines: dict[tuple[str, float, str, str, str], dict[str, Row]] = {}
    for one in measured:
        for run in one.runs:
            for row in run.rows:
                way = run.model, run.gflop, run.size, row.backend, row.precision
                lines.setdefault(way, {})[one.machine.cpu] = row
    cpus = [one.machine.cpu for one in measured]
    heads = [f"{cpu}: {what}" for cpu in cpus for what in ("ms best", "× eager", "of peak")]
    table = _head("model", "size", "backend", "precision", *heads)
    for (model, _, size, backend, precision), rows in sorted(lines.items(), key=lambda line: line[0][:2]):
        cells = [cell for cpu in cpus for cell in (_speed(rows[cpu]) if cpu in rows else ("", "", ""))]
        table.append(_cells(model, size, backend, precision, *cells))
    return table


def _tables(runs: list[Run]) -> list[str]:
    lines = _head(
        *("model", "size", "backend", "precision", "ms best", "× eager", "of peak"),
        *("median", "p95", "cosine", "MB", "load s"),
    )
    lines += [_line(run, row) for run in runs for row in run.rows]
    around = list(runs[0].around_ms)
    lines += ["", *_head("model", "size", "GFLOP", "aggregator's share", *(f"{name}, ms" for name in around))]
    for run in runs:
        times = [f"{run.around_ms[name]:.2f}" for name in around]
        lines.append(_cells(run.model, run.size, f"{run.gflop:.2f}", f"{run.aggregator_share:.1%}", *times))
    lines += ["", "Matrix-product peak, G(FL)OP/s, the load average before each run, and the pictures compared:", ""]
    for run in runs:
        peaks = ", ".join(f"{precision} {peak:.0f}" for precision, peak in run.peaks.items())
        lines.append(f"- {run.model} {run.size}: {peaks}; load {run.load:.1f}; {run.pictures}")
    return lines


def _line(run: Run, row: Row) -> str:
    return _cells(
        run.model,
        run.size,
        row.backend,
        row.precision,
        *_speed(row),
        f"{row.median_ms:.1f}",
        f"{row.p95_ms:.1f}",
        "" if row.cosine is None else f"{row.cosine:.5f}",
        f"{row.resident_mb:.0f}",
        f"{row.load_s:.2f}",
    )


def _speed(row: Row) -> tuple[str, str, str]:
    share = "" if row.peak_share is None else f"{row.peak_share:.0%}"
    return f"{row.best_ms:.1f}", f"{row.ratio:.2f}", share


def _head(*names: str) -> list[str]:
    return [_cells(*names), "|---" * len(names) + "|"]


def _cells(*values: str) -> str:
    return "| " + " | ".join(values) + " |"
