"""Scoring a large database in bounded memory, beside the usual way.

    python benchmarks/evaluation.py --out benchmarks/results/evaluation
    python benchmarks/evaluation.py --folder /data/scratch --generate-only    # then again without: in pieces

Descriptors are made up: random directions, stored as the evaluation stores them; each query is a noisy copy of one of
the first rows, so the right answer is known. Ours reads the store in blocks and compares exactly. The usual way loads
all descriptors as float32 and adds them to an IndexFlatL2, which copies them. Every cell runs in its own process.
Memory is that process's peak resident set (VmHWM): what it allocated or mapped. The system's page cache is not in it:
the store is read, not mapped, and the system drops such pages when it needs the room.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import faiss
import numpy as np
from numpy.typing import NDArray

from a2gc_ros.evaluation.search import search
from a2gc_ros.evaluation.store import DescriptorStore, StoreKey
from a2gc_ros.system.memory import peak_resident
from a2gc_ros.system.sizes import parse_size, show_size

K = 100
BLOCK = 8192
NOISE = 0.5
"""Length of the noise on a query, the query's own being 1; unrelated rows have a cosine of about 0.01."""

SEED = 5


@dataclass(frozen=True)
class Cell:
    """One measurement.

    Attributes:
        way: ``ours`` or ``usual``.
        rows: Of the database.
        seconds: Until the answers are there, reading from disk included.
        peak_bytes: Peak resident set.
        right: Share of queries whose nearest row is the one they were made from.
    """

    way: str
    rows: int
    seconds: float
    peak_bytes: int
    right: float


class Head:
    """The first rows of a store."""

    def __init__(self, store: DescriptorStore, count: int) -> None:
        self._store, self._count = store, count
        self.dim, self.cost = store.dim, store.cost

    def __len__(self) -> int:
        return self._count

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Returns rows ``start`` to ``stop``."""
        return self._store.read(start, stop)


def open_store(folder: Path, rows: int, dim: int) -> DescriptorStore:
    """The store of made-up descriptors."""
    return DescriptorStore(folder, StoreKey("made-up", "0" * 64, "none", dim, "made-up", f"{SEED} {rows} {dim}", rows))


def generate(folder: Path, rows: int, dim: int) -> None:
    """Fills the store with random directions, where it is not filled yet."""
    with open_store(folder, rows, dim) as store:
        for start in range(0, rows, BLOCK):
            if store.marks[start] >= 0:
                continue
            rng = np.random.default_rng((SEED, start))
            block = rng.standard_normal((min(BLOCK, rows - start), dim), dtype=np.float32)
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            store.write(np.arange(start, start + len(block)), block, np.zeros(len(block), np.int64))


def queries_from(store: DescriptorStore, count: int) -> NDArray[np.float32]:
    """Noisy copies of the first rows, float32 (count, D)."""
    noise = np.random.default_rng(SEED + 1).standard_normal((count, store.dim), dtype=np.float32)
    queries = store.read(0, count) + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
    return queries / np.linalg.norm(queries, axis=1, keepdims=True)


def measure(way: str, folder: Path, total: int, rows: int, dim: int, queries: int, ram: int) -> Cell:
    """Runs one cell in this process."""
    with open_store(folder, total, dim) as store:
        asked = queries_from(store, queries)
        begin = time.perf_counter()
        if way == "ours":
            nearest = search(asked, Head(store, rows), K, ram=ram).rows[:, 0]
        else:
            everything = np.empty((rows, dim), np.float32)
            for start in range(0, rows, BLOCK):
                stop = min(start + BLOCK, rows)
                everything[start:stop] = store.read(start, stop)
            index = faiss.IndexFlatL2(dim)
            index.add(everything)
            nearest = index.search(asked, K)[1][:, 0]
        seconds = time.perf_counter() - begin
    return Cell(way, rows, seconds, peak_resident(), float((nearest == np.arange(queries)).mean()))


def table(cells: list[Cell], arguments: argparse.Namespace) -> str:
    """The cells as Markdown, with what they were measured on."""
    usual = {cell.rows: cell for cell in cells if cell.way == "usual"}
    lines = [
        f"{arguments.queries:,} queries of {arguments.dim:,} dimensions, {K} neighbors, `--ram {arguments.ram}`; "
        f"{os.cpu_count()} cores ({platform.machine()}), {faiss.omp_get_max_threads()} threads, faiss "
        f"{version('faiss-cpu')}, numpy {version('numpy')}. Times include reading from disk; memory is the peak "
        "resident set of the process, without the system's page cache.",
        "",
        "| database | on disk | ours | peak | usual way | peak | time, usual : ours | memory, usual : ours |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for cell in sorted((cell for cell in cells if cell.way == "ours"), key=lambda cell: cell.rows):
        disk = show_size(cell.rows * arguments.dim * 2)
        other = usual.get(cell.rows)
        compared = (
            f"{other.seconds:.1f} s | {show_size(other.peak_bytes)} | {other.seconds / cell.seconds:.2f} | "
            f"{other.peak_bytes / cell.peak_bytes:.1f}"
            if other
            else f"not run: {show_size(cell.rows * arguments.dim * 8)} | | |"
        )
        lines.append(f"| {cell.rows:,} | {disk} | {cell.seconds:.1f} s | {show_size(cell.peak_bytes)} | {compared} |")
    wrong = [cell for cell in cells if cell.right < 1]
    lines += ["", "Both ways found the right row first for every query." if not wrong else f"Not all right: {wrong}"]
    return "\n".join(lines)


def wanted(arguments: argparse.Namespace) -> list[tuple[int, str]]:
    """The cells to measure: rows and way."""
    both = [(rows, way) for rows in arguments.rows for way in ("ours", "usual")]
    return [(rows, way) for rows, way in both if way == "ours" or rows <= arguments.usual_up_to]


def earlier(out: Path | None) -> list[Cell]:
    """Cells that an earlier run measured."""
    if out is None or not out.with_suffix(".json").is_file():
        return []
    return [Cell(**entry) for entry in json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))]


def main() -> None:
    """Prints the table and writes it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[12_500, 25_000, 50_000, 100_000, 250_000, 500_000])
    parser.add_argument("--usual-up-to", type=int, default=100_000, help="rows up to which the usual way is run too")
    parser.add_argument("--stored", type=int, help="rows of the store; by default the largest of --rows")
    parser.add_argument("--dim", type=int, default=8448)
    parser.add_argument("--queries", type=int, default=1000)
    parser.add_argument("--ram", default="4G", help="what the search may take")
    parser.add_argument("--folder", type=Path, help="where the store stays; by default a temporary folder")
    parser.add_argument("--generate-only", action="store_true", help="fill the store and stop")
    parser.add_argument("--out", type=Path, help="writes OUT.md and OUT.json; cells in OUT.json are kept")
    parser.add_argument("--cell", nargs=2, metavar=("WAY", "ROWS"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    total = arguments.stored or max(arguments.rows)
    if arguments.cell:
        way, rows = arguments.cell
        ram = parse_size(arguments.ram)
        cell = measure(way, arguments.folder, total, int(rows), arguments.dim, arguments.queries, ram)
        print(json.dumps(asdict(cell)))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        generate(folder, total, arguments.dim)
        if arguments.generate_only:
            return
        cells = earlier(arguments.out)
        for rows, way in wanted(arguments):
            if not any((cell.rows, cell.way) == (rows, way) for cell in cells):
                command = [sys.executable, __file__, "--cell", way, str(rows), "--folder", str(folder)]
                command += ["--dim", str(arguments.dim), "--queries", str(arguments.queries), "--ram", arguments.ram]
                command += ["--stored", str(total)]
                result = subprocess.run(command, capture_output=True, text=True, check=True)
                cells.append(Cell(**json.loads(result.stdout)))
                print(cells[-1], file=sys.stderr, flush=True)
                if arguments.out:
                    arguments.out.parent.mkdir(parents=True, exist_ok=True)
                    numbers = json.dumps([asdict(cell) for cell in cells], indent=2)
                    arguments.out.with_suffix(".json").write_text(numbers, encoding="utf-8")
    text = table(cells, arguments)
    print(text)
    if arguments.out:
        arguments.out.with_suffix(".md").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
