"""Smaller descriptors by name, so that a curve of size against recall is one command.

``pca512`` keeps the leading 512 principal directions, ``pcaw512`` also gives them equal variance (whitening, Jégou and
Chum 2012). After either, or alone, ``sq8`` keeps a byte for each dimension and ``pq64`` 64 bytes in all (product
quantization, Jégou et al. 2011); after either, ``rabitq`` keeps about a bit for each dimension (Gao and Long 2024).
Names are joined by ``+``. Everything is fitted to the database that is searched.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.rows import Rows, SubsetRows
from a2gc_ros.evaluation.search import Neighbors, Progress, keep_best, most_ignored, none_found, search
from a2gc_ros.placemap.projection import Projection, fit

SAMPLE_ROWS = 8192
BLOCK_ROWS = 4096
PQ_CODES = 256

SMALLEST_VARIANCE = 1e-6
"""Share of the largest variance below which a direction is not blown up."""

_NAME = re.compile(r"(?:pca(?P<whiten>w?)(?P<dim>\d+))?(?P<plus>\+)?(?:(?P<coder>sq8|rabitq)|pq(?P<bytes>\d+))?")


@dataclass(frozen=True)
class Compression:
    """A way to make descriptors smaller.

    Attributes:
        name: Its name.
        dim: Dimensions that are kept; None keeps all.
        whiten: Whether they get equal variance.
        coder: ``sq8``, ``pq``, ``rabitq``, or None for half precision.
        pq_bytes: Bytes of a product quantizer.
    """

    name: str
    dim: int | None
    whiten: bool
    coder: str | None
    pq_bytes: int = 0


def parse(name: str) -> Compression:
    """Reads a compression's name.

    Raises:
        ConfigError: It is none.
    """
    match = _NAME.fullmatch(name)
    unknown = ConfigError(f"There is no compression {name}; write it as pca512, pcaw512, pca512+rabitq, pq64 or sq8.")
    if not name or not match:
        raise unknown
    coder = match["coder"] or ("pq" if match["bytes"] else None)
    if bool(match["plus"]) != bool(match["dim"] and coder):
        raise unknown
    if coder == "rabitq" and not match["dim"]:
        raise ConfigError("rabitq needs a projection before it, or it finds nothing; write it as pca512+rabitq.")
    dim = int(match["dim"]) if match["dim"] else None
    size = int(match["bytes"] or 0)
    if dim == 0 or (coder == "pq" and size == 0):
        raise ConfigError(f"The compression {name} keeps nothing; give a number above 0.")
    if coder == "pq" and dim and dim % size:
        raise ConfigError(f"The compression {name} cannot split {dim} dimensions into {size} equal parts.")
    return Compression(name, dim, bool(match["whiten"]), coder, size)


class ProjectedRows:
    """Rows after a projection, of length one again, rounded to half precision as they would be stored."""

    def __init__(self, rows: Rows, projection: Projection) -> None:
        self._rows, self._projection = rows, projection
        self.dim = projection.reduced_dim
        # While a row is read, it lies there whole, centered, and projected.
        self.cost = rows.cost + 8 * rows.dim + 4 * self.dim

    def __len__(self) -> int:
        return len(self._rows)

    def read(self, start: int, stop: int) -> NDArray[np.float32]:
        """Returns rows ``start`` to ``stop``."""
        projected = self._projection.apply(self._rows.read(start, stop))
        projected /= np.maximum(np.linalg.norm(projected, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        return np.ascontiguousarray(projected.astype(np.float16), dtype=np.float32)


def search_compressed(
    compression: Compression,
    queries: Rows,
    database: Rows,
    k: int,
    ignored: Sequence[NDArray[np.int64]] | None = None,
    *,
    ram: int | None = None,
    on_progress: Progress = lambda _done, _total: None,
) -> tuple[Neighbors, int]:
    """Finds nearest neighbors among compressed descriptors; queries are projected, but not coded.

    Arguments are those of :func:`~a2gc_ros.evaluation.search.search`; of ``ram``, codes take their part, and must fit.

    Returns:
        The neighbors, and the bytes that a descriptor takes.

    Raises:
        ConfigError: The compression does not fit these descriptors.
    """
    if compression.dim is not None:
        if compression.dim > min(queries.dim, len(database)):
            raise ConfigError(
                f"{compression.name} keeps more dimensions than {len(database)} descriptors of {queries.dim} have; "
                "choose fewer."
            )
        projection = _projection(compression, database)
        queries, database = ProjectedRows(queries, projection), ProjectedRows(database, projection)
    if compression.coder is None:
        return search(queries, database, k, ignored, ram=ram, on_progress=on_progress), 2 * database.dim
    index = _coded(compression, database, on_progress)
    wanted = min(k + most_ignored(ignored), len(database))
    found = none_found(len(queries), k)
    for start in range(0, len(queries), BLOCK_ROWS):
        asked = queries.read(start, min(start + BLOCK_ROWS, len(queries)))
        similarities, rows = index.search(asked, wanted)
        keep_best(Neighbors(rows, similarities), found, start, ignored)
    return found, int(index.sa_code_size())


def _sample(rows: Rows) -> NDArray[np.float32]:
    """Descriptors in equal steps through the database."""
    count = min(len(rows), SAMPLE_ROWS)
    return SubsetRows(rows, np.linspace(0, len(rows) - 1, count).astype(np.int64)).read(0, count)


def _projection(compression: Compression, database: Rows) -> Projection:
    sample = _sample(database)
    projection = fit(sample, compression.dim or database.dim)
    if not compression.whiten:
        return projection
    projected = projection.apply(sample)
    covariance = np.cov(projected, rowvar=False, dtype=np.float64).reshape(2 * (projection.reduced_dim,))
    variances, directions = np.linalg.eigh(covariance)
    scale = 1 / np.sqrt(np.maximum(variances, SMALLEST_VARIANCE * variances.max()))
    whitening = (directions * scale) @ directions.T
    return Projection(projection.mean, np.ascontiguousarray(whitening @ projection.matrix, dtype=np.float32))


def _coded(compression: Compression, database: Rows, on_progress: Progress) -> Any:
    """An index of the coded database."""
    dim = database.dim
    if compression.coder == "pq" and dim % compression.pq_bytes:
        raise ConfigError(f"{compression.name} cannot split {dim} dimensions into {compression.pq_bytes} equal parts.")
    if compression.coder == "pq" and len(database) < PQ_CODES:
        raise ConfigError(f"{compression.name} learns {PQ_CODES} codes, more than {len(database)} images can teach.")
    makers: dict[str, Any] = {
        "sq8": lambda: faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_8bit, faiss.METRIC_INNER_PRODUCT),
        "pq": lambda: _product_quantizer(dim, compression.pq_bytes),
        "rabitq": lambda: faiss.IndexRaBitQ(dim, faiss.METRIC_INNER_PRODUCT),
    }
    index = makers[compression.coder or ""]()
    index.train(_sample(database))
    for start in range(0, len(database), BLOCK_ROWS):
        stop = min(start + BLOCK_ROWS, len(database))
        index.add(database.read(start, stop))
        on_progress(stop, len(database))
    return index


def _product_quantizer(dim: int, size: int) -> Any:
    index = faiss.IndexPQ(dim, size, 8, faiss.METRIC_INNER_PRODUCT)
    # The sample is smaller than faiss wishes for, and it would say so once for each byte.
    index.pq.cp.min_points_per_centroid = 1
    return index
