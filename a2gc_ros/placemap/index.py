"""Nearest keyframes by cosine: exact for small maps, compressed with refinement for large ones.

An exact scan is bound by memory bandwidth. Above ten thousand keyframes the descriptors are projected and quantized to
about one bit for each dimension; the best of those are compared again as the map stores them. Above three hundred
thousand they lie in lists, of which the nearest eighth is looked at. `benchmarks/scale.py` measures what that finds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import BackendError, ConfigError
from a2gc_ros.placemap.descriptors import DescriptorBlocks, Fetch, Half, widened
from a2gc_ros.placemap.projection import SAMPLE_ROWS, Projection

if not hasattr(faiss, "IndexRaBitQFastScan"):
    raise BackendError(
        f"the FAISS {faiss.__version__} in {faiss.__path__[0]} is too old for place maps, which need 1.13 or newer: "
        "pip install 'faiss-cpu>=1.13'"
    )

Similarities = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

GPU_MOST = 2048
"""How many rows faiss sorts on a GPU."""

REFINE = 64
"""How many of the quantized index's best are compared in full dimension, beside those that are excluded."""

ROWS_A_LIST = 1000
"""How many rows a list holds, about."""

MOST_LISTS = 1024
"""How many lists there are at most."""

LOOKED_AT = 8
"""One of so many lists is looked at."""

LEAST_LOOKED_AT = 16
"""How many lists are looked at, at least."""

LEARNT_A_LIST = 40
"""Rows from which the center of each list is learned, as faiss asks for."""

# faiss's type stubs describe the C++ constructors, not those that its Python module puts in their place.
_search_parameters: Any = faiss.SearchParameters
_id_selector_bitmap: Any = faiss.IDSelectorBitmap


@dataclass(frozen=True)
class IndexOptions:
    """When and how descriptors are compressed.

    Attributes:
        compress_from: Number of keyframes from which a map gets the compressed index: at once when it is opened, a
            tenth later when it grows beyond it, so that no frame waits for it.
        reduced_dim: Dimensions that are kept before quantizing.
        lists_from: Number of keyframes from which the compressed index has lists.
        gpu: Whether to search on a GPU instead, uncompressed.
    """

    compress_from: int = 10_000
    reduced_dim: int = 1024
    lists_from: int = 300_000
    gpu: bool = False


@contextlib.contextmanager
def _threads_for(queries: npt.NDArray[np.float32]) -> Iterator[None]:
    """Keeps faiss to one thread for a single query: it would not share it out, only wake and wait for the others."""
    threads = faiss.omp_get_max_threads()
    if len(queries) == 1:
        faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(threads)


class Index(Protocol):
    """Rows of descriptors, searchable by cosine."""

    kind: str

    def __len__(self) -> int:
        """Number of rows."""

    def add(self, descriptors: Half) -> None:
        """Adds rows of shape (N, D), L2-normalized."""

    def search(self, queries: npt.NDArray[np.float32], k: int, excluded: Rows) -> tuple[Similarities, Rows]:
        """Finds the k nearest rows of each query.

        Args:
            queries: float32, shape (N, D), L2-normalized.
            k: At least 1.
            excluded: Rows that must not be found.

        Returns:
            Cosines, descending, shape (N, k), and rows, -1 where there are fewer than k.
        """

    def compare(self, query: npt.NDArray[np.float32], rows: Rows) -> Similarities:
        """Returns the cosine of one query, float32 (D,), with each of some rows, float32 (len(rows),)."""


class ExactIndex:
    """Every row is compared, as the fp16 values that the map stores."""

    kind = "exact"

    def __init__(self, dim: int) -> None:
        self._faiss: Any = faiss.IndexScalarQuantizer(dim, faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)

    def __len__(self) -> int:
        return int(self._faiss.ntotal)

    def add(self, descriptors: Half) -> None:
        """Adds rows of shape (N, D)."""
        self._faiss.add(widened(descriptors))

    def search(self, queries: npt.NDArray[np.float32], k: int, excluded: Rows) -> tuple[Similarities, Rows]:
        """Finds the k nearest rows of each query; see :class:`Index`."""
        parameters = None
        if len(excluded):
            allowed = np.ones(len(self), dtype=bool)
            allowed[excluded] = False
            # The bits must outlive the call: the selector only points at them.
            bits = np.packbits(allowed, bitorder="little")
            parameters = _search_parameters(sel=_id_selector_bitmap(bits))
        with _threads_for(queries):
            similarities, rows = self._faiss.search(queries, k, params=parameters)
        return np.where(rows < 0, np.float32(-1), similarities), rows

    def compare(self, query: npt.NDArray[np.float32], rows: Rows) -> Similarities:
        """Returns the cosine of a query with each of some rows; see :class:`Index`."""
        with _threads_for(query[np.newaxis]):
            stored = self._faiss.reconstruct_batch(rows)
        return np.asarray(stored @ query, dtype=np.float32)


class _RefinedIndex:
    """Searches coarsely, and compares the best again in full dimension."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch

    def compare(self, query: npt.NDArray[np.float32], rows: Rows) -> Similarities:
        """Returns the cosine of a query with each of some rows; see :class:`Index`."""
        return np.asarray(self._fetch(rows) @ query, dtype=np.float32)

    def _refined(
        self, queries: npt.NDArray[np.float32], coarse: Rows, k: int, excluded: Rows, most: int
    ) -> tuple[Similarities, Rows]:
        """Returns the k nearest among so many of the rows of a coarse search, (N, M), the best first, -1 for none."""
        similarities = np.full((len(queries), k), -1, dtype=np.float32)
        rows = np.full((len(queries), k), -1, dtype=np.int64)
        for at, query in enumerate(queries):
            found = coarse[at][coarse[at] >= 0]
            found = found[~np.isin(found, excluded)][:most]
            exact = self._fetch(found) @ query
            # Ties go to the older keyframe, so that the order never depends on the quantizer.
            order = np.lexsort((found, -exact))[:k]
            similarities[at, : len(order)] = exact[order]
            rows[at, : len(order)] = found[order]
        return similarities, rows


class CompressedIndex(_RefinedIndex):
    """Projection, one bit for each dimension (RaBitQ), and refinement by what the map stores.

    Args:
        projection: Fitted to descriptors of this map.
        coarse: An index of faiss over projected rows, as :func:`coarse_index` makes it, trained.
        fetch: Gives rows as the map stores them.
    """

    kind = "compressed"

    def __init__(self, projection: Projection, coarse: Any, fetch: Fetch) -> None:
        super().__init__(fetch)
        self.projection = projection
        self.coarse = coarse
        if hasattr(coarse, "nprobe"):
            coarse.nprobe = max(LEAST_LOOKED_AT, coarse.nlist // LOOKED_AT)

    def __len__(self) -> int:
        return int(self.coarse.ntotal)

    def add(self, descriptors: Half) -> None:
        """Adds rows of shape (N, D)."""
        self.coarse.add(self.projection.coarse(widened(descriptors)))

    def search(self, queries: npt.NDArray[np.float32], k: int, excluded: Rows) -> tuple[Similarities, Rows]:
        """Finds the k nearest rows of each query; see :class:`Index`."""
        # Fast-scan takes no selector: ask for as many more as may have to be thrown away.
        most = max(REFINE, 2 * k)
        wanted = min(len(self), most + len(excluded))
        with _threads_for(queries):
            _, coarse = self.coarse.search(self.projection.coarse(queries), wanted)
        return self._refined(queries, coarse, k, excluded, most)


def coarse_index(projected: npt.NDArray[np.float32], rows: int, lists_from: int) -> Any:
    """Returns a trained, empty index of faiss for projected rows.

    Args:
        projected: Some of the rows, float32 (N, reduced).
        rows: How many there will be about.
        lists_from: From how many on they lie in lists.
    """
    library: Any = faiss
    reduced = projected.shape[1]
    if rows < lists_from:
        coarse = library.IndexRaBitQFastScan(reduced, faiss.METRIC_INNER_PRODUCT)
    else:
        quantizer = library.IndexFlatIP(reduced)
        lists = int(np.clip(rows // ROWS_A_LIST, 1, min(MOST_LISTS, len(projected))))
        coarse = library.IndexIVFRaBitQFastScan(quantizer, reduced, lists, faiss.METRIC_INNER_PRODUCT)
        # Centroids of unit length, so that no list draws in what resembles nothing.
        coarse.cp.spherical = True
        coarse.cp.min_points_per_centroid = 1
    coarse.train(projected)
    return coarse


def sample_size(rows: int, lists_from: int) -> int:
    """Returns how many rows an index is fitted to."""
    return min(
        rows,
        SAMPLE_ROWS if rows < lists_from else max(SAMPLE_ROWS, LEARNT_A_LIST * min(MOST_LISTS, rows // ROWS_A_LIST)),
    )


class GpuIndex(_RefinedIndex):
    """Every row is compared on a GPU, in half precision, and the best again on the CPU, as the map stores them.

    Raises:
        ConfigError: If faiss finds no GPU.
    """

    kind = "gpu"

    def __init__(self, dim: int) -> None:
        if problem := gpu_problem():
            raise ConfigError(problem)
        library: Any = faiss
        # Kept as long as the index, whose memory it holds.
        self._resources = library.StandardGpuResources()
        configuration = library.GpuIndexFlatConfig()
        configuration.useFloat16 = True
        self._faiss: Any = library.GpuIndexFlatIP(self._resources, dim, configuration)
        self._store = DescriptorBlocks(dim)
        super().__init__(self._store.take)

    def __len__(self) -> int:
        return len(self._store)

    def add(self, descriptors: Half) -> None:
        """Adds rows of shape (N, D)."""
        self._faiss.add(widened(descriptors))
        self._store.append(descriptors)

    def search(self, queries: npt.NDArray[np.float32], k: int, excluded: Rows) -> tuple[Similarities, Rows]:
        """Finds the k nearest rows of each query; see :class:`Index`."""
        most = max(REFINE, 2 * k)
        wanted = min(len(self), most + len(excluded))
        if wanted > GPU_MOST:
            # More than a GPU sorts: every row is compared here.
            coarse = np.broadcast_to(np.arange(len(self)), (len(queries), len(self)))
            return self._refined(queries, coarse, k, excluded, len(self))
        _, coarse = self._faiss.search(np.ascontiguousarray(queries, dtype=np.float32), wanted)
        return self._refined(queries, coarse, k, excluded, most)


def gpu_problem() -> str | None:
    """Returns why faiss cannot search on a GPU here, in one sentence, or None."""
    library: Any = faiss
    if not hasattr(library, "StandardGpuResources"):
        return (
            "keyframes cannot be searched on a GPU: this FAISS is faiss-cpu; install faiss-gpu in its place, or search "
            "on the CPU"
        )
    if library.get_num_gpus() == 0:
        return "keyframes cannot be searched on a GPU: FAISS finds none; look at nvidia-smi, or search on the CPU"
    return None
