"""Exact nearest neighbours by cosine, in as little memory as is allowed.

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
from a2gc_ros.evaluation.memory import Blocks, divide
from a2gc_ros.evaluation.rows import ArrayRows, Rows

WHOLE_BLOCK = 16384
"""Database rows compared at once where memory is not limited."""

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
    """Finds the exact nearest neighbours.

    Args:
        queries: (Q, D), L2-normalised.
        database: (N, D), L2-normalised.
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
    extra = max((len(rows) for rows in ignored), default=0) if ignored is not None else 0
    wanted = min(k + extra, len(database))
    blocks = _blocks(queries, database, wanted, ram)
    found = Neighbors(np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), -np.inf, np.float32))
    passes = -(-len(queries) // blocks.queries)
    for number, start in enumerate(range(0, len(queries), blocks.queries)):
        asked = queries.read(start, min(start + blocks.queries, len(queries)))

        def advance(done: int, before: int = number * len(database)) -> None:
            on_progress(before + done, passes * len(database))

        best = _best(asked, database, wanted, blocks.database, compare, advance)
        keep_best(best, found, start, ignored)
    return found


def _as_rows(rows: Rows | NDArray[np.float32]) -> Rows:
    return ArrayRows(rows) if isinstance(rows, np.ndarray) else rows


def _blocks(queries: Rows, database: Rows, k: int, ram: int | None) -> Blocks:
    if ram is None:
        return Blocks(len(queries), WHOLE_BLOCK)
    return divide(
        len(queries),
        len(database),
        query_bytes=4 * queries.dim + queries.cost,
        database_bytes=4 * database.dim + database.cost,
        k=k,
        ram=ram,
    )


def _best(
    asked: NDArray[np.float32],
    database: Rows,
    k: int,
    block: int,
    compare: Compare,
    advance: Callable[[int], None],
) -> Neighbors:
    """The k best of the whole database for a block of queries."""
    heap: Any = faiss.ResultHeap(len(asked), k, keep_max=True)
    for start in range(0, len(database), block):
        stop = min(start + block, len(database))
        similarities, rows = compare(asked, database.read(start, stop), min(k, stop - start))
        heap.add_result(similarities, rows + start)
        advance(stop)
    heap.finalize()
    return Neighbors(heap.I, heap.D)


def keep_best(
    best: Neighbors, found: Neighbors, start: int, ignored: Sequence[NDArray[np.int64]] | None = None
) -> None:
    """Copies neighbours of a block of queries into those of all, leaving out what is ignored.

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
