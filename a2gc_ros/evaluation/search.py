"""Exact nearest neighbors by cosine, in as little memory as is allowed.

The database is read in blocks, each is compared with the queries by one matrix product, and the best so far are kept.
Nothing is copied into an index, so memory does not grow with the database.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.memory import divide
from a2gc_ros.evaluation.rows import ArrayRows, Rows

SLICE = 256
"""Queries whose similarities to a block lie in memory at once."""

Compare = Callable[[NDArray[np.float32], NDArray[np.float32], int], tuple[NDArray[np.float32], NDArray[np.int64]]]
"""From queries, a block of the database and k to similarities and rows of the block, in any order."""

Progress = Callable[[int, int], None]


class Neighbors(NamedTuple):
    """The nearest of each query.

    Attributes:
        rows: int64 (Q, k), rows of the database, best first, -1 where there are no more.
        similarities: float32 (Q, k), cosines; -inf where there are no more.
    """

    rows: NDArray[np.int64]
    similarities: NDArray[np.float32]


def search(
    queries: Rows | NDArray[np.float32],
    database: Rows | NDArray[np.float32],
    k: int,
    ignored: Sequence[NDArray[np.int64]] | None = None,
    *,
    ram: int | None = None,
    gpu: bool = False,
    on_progress: Progress = lambda _done, _total: None,
) -> Neighbors:
    """Finds the exact nearest neighbors.

    Args:
        queries: (Q, D), L2-normalized.
        database: (N, D), L2-normalized.
        k: How many.
        ignored: For each query, rows of the database that do not count.
        ram: Bytes that the process may hold in memory, all told; None sets no limit.
        gpu: Compare on a GPU, with faiss's GPU build.
        on_progress: Called with database rows compared and in total, over all blocks of queries.

    Raises:
        ConfigError: The memory is too little, or there is no GPU that faiss could use.
    """
    queries, database = _as_rows(queries), _as_rows(database)
    compare = _on_gpu() if gpu else _nearest
    wanted = min(k + most_ignored(ignored), len(database))
    blocks = divide(queries, database, wanted, ram)
    found = none_found(len(queries), k)
    passes = -(-len(queries) // blocks.queries)
    for number, start in enumerate(range(0, len(queries), blocks.queries)):
        asked = queries.read(start, min(start + blocks.queries, len(queries)))
        heap: Any = faiss.ResultHeap(len(asked), wanted, keep_max=True)
        for first in range(0, len(database), blocks.database):
            last = min(first + blocks.database, len(database))
            similarities, rows = compare(asked, database.read(first, last), min(wanted, last - first))
            heap.add_result(similarities, rows + first)
            on_progress(number * len(database) + last, passes * len(database))
        heap.finalize()
        keep_best(Neighbors(heap.I, heap.D), found, start, ignored)
    return found


def _as_rows(rows: Rows | NDArray[np.float32]) -> Rows:
    return ArrayRows(rows) if isinstance(rows, np.ndarray) else rows


def most_ignored(ignored: Sequence[NDArray[np.int64]] | None) -> int:
    """How many rows of the database a query leaves out at most."""
    return max((len(rows) for rows in ignored or ()), default=0)


def none_found(queries: int, k: int) -> Neighbors:
    """Neighbors of queries before any is known."""
    return Neighbors(np.full((queries, k), -1, np.int64), np.full((queries, k), -np.inf, np.float32))


def keep_best(
    best: Neighbors, found: Neighbors, start: int, ignored: Sequence[NDArray[np.int64]] | None = None
) -> None:
    """Copies neighbors of a block of queries into those of all, leaving out what is ignored.

    Args:
        best: Of the block, at least as many as ``found`` keeps and any query ignores.
        found: Of all queries; rows from ``start`` on are written.
        start: The first query of the block.
        ignored: For each of all queries, rows of the database that do not count.
    """
    k = found.rows.shape[1]
    if ignored is None:
        width = min(k, best.rows.shape[1])
        found.rows[start : start + len(best.rows), :width] = best.rows[:, :width]
        found.similarities[start : start + len(best.rows), :width] = best.similarities[:, :width]
        return
    for number, (rows, similarities) in enumerate(zip(best.rows, best.similarities, strict=True), start=start):
        kept = ~np.isin(rows, ignored[number])
        count = min(k, int(kept.sum()))
        found.rows[number, :count] = rows[kept][:k]
        found.similarities[number, :count] = similarities[kept][:k]


def _nearest(
    asked: NDArray[np.float32], block: NDArray[np.float32], k: int
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """The k nearest rows of a block; NumPy's matrix product was four times as fast as that inside faiss.knn."""
    similarities = np.empty((len(asked), k), np.float32)
    rows = np.empty((len(asked), k), np.int64)
    for start in range(0, len(asked), SLICE):
        part = slice(start, start + SLICE)
        products = asked[part] @ block.T
        rows[part] = np.argpartition(products, len(block) - k, axis=1)[:, len(block) - k :]
        similarities[part] = np.take_along_axis(products, rows[part], axis=1)
    return similarities, rows


def _on_gpu() -> Compare:
    resources: Any = getattr(faiss, "StandardGpuResources", None)
    if resources is None or faiss.get_num_gpus() == 0:
        raise ConfigError(
            "faiss finds no GPU here; install faiss-gpu in place of faiss-cpu on a machine that has one, or leave out "
            "--faiss-gpu."
        )
    shared = resources()
    return lambda asked, block, k: faiss.knn_gpu(shared, asked, block, k, metric=faiss.METRIC_INNER_PRODUCT)
