"""Nearest keyframes by cosine: exact for small maps, compressed with refinement for large ones.

An exact scan is bound by memory bandwidth. Above ten thousand keyframes the descriptors are projected to 512
dimensions and quantised to about one bit each; the best of those are compared again in full dimension.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any, Protocol

import faiss
import numpy as np
import numpy.typing as npt

from a2gc_ros.errors import BackendError, ConfigError
from a2gc_ros.placemap.descriptors import DescriptorStore, Half
from a2gc_ros.placemap.projection import Projection

if not hasattr(faiss, "IndexRaBitQFastScan"):
    raise BackendError(
        f"the FAISS {faiss.__version__} in {faiss.__path__[0]} is too old for place maps, which need 1.13 or newer: "
        "pip install 'faiss-cpu>=1.13'"
    )

Similarities = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

GPU_MOST = 2048
"""How many rows faiss sorts on a GPU."""

REFINE = 128
"""How many of the quantised index's best are compared in full dimension, beside those that are excluded."""

# faiss's type stubs describe the C++ constructors, not those that its Python module puts in their place.
_search_parameters: Any = faiss.SearchParameters
_id_selector_bitmap: Any = faiss.IDSelectorBitmap


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
        """Adds rows of shape (N, D), L2-normalised."""

    def search(self, queries: npt.NDArray[np.float32], k: int, excluded: Rows) -> tuple[Similarities, Rows]:
        """Finds the k nearest rows of each query.

        Args:
            queries: float32, shape (N, D), L2-normalised.
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
        self._faiss.add(np.ascontiguousarray(descriptors, dtype=np.float32))

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


class CompressedIndex:
    """Projection to few dimensions, RaBitQ fast-scan over them, and refinement in full dimension.

    Args:
        projection: Fitted to descriptors of this map.
    """

    kind = "compressed"

    def __init__(self, projection: Projection) -> None:
        self.projection = projection
        self._store = DescriptorStore(projection.dim)
        self._faiss: Any = faiss.IndexRaBitQFastScan(projection.reduced_dim, faiss.METRIC_INNER_PRODUCT)

    def __len__(self) -> int:
        return len(self._store)

    def add(self, descriptors: Half) -> None:
        """Adds rows of shape (N, D)."""
        self.add_projected(descriptors, self.projection.apply_half(descriptors))

    def add_projected(self, descriptors: Half, projected: Half) -> None:
        """Adds rows whose projection, shape (N, reduced), is known already."""
        coarse = np.ascontiguousarray(projected, dtype=np.float32)
        if not self._faiss.is_trained:
            self._faiss.train(coarse)
        self._faiss.add(coarse)
        self._store.append(descriptors)

    def search(self, queries: npt.NDArray[np.float32], k: int, excluded: Rows) -> tuple[Similarities, Rows]:
        """Finds the k nearest rows of each query; see :class:`Index`."""
        # Fast-scan takes no selector: ask for as many more as may have to be thrown away.
        wanted = min(len(self), max(REFINE, 2 * k) + len(excluded))
        with _threads_for(queries):
            _, coarse = self._faiss.search(self.projection.apply(queries), wanted)
        return _refined(self._store, queries, coarse, k, excluded, max(REFINE, 2 * k))

    def compare(self, query: npt.NDArray[np.float32], rows: Rows) -> Similarities:
        """Returns the cosine of a query with each of some rows; see :class:`Index`."""
        return np.asarray(self._store.take(rows) @ query, dtype=np.float32)


class GpuIndex:
    """Every row is compared on a GPU, in half precision, and the best again on the CPU, as the map stores them.

    Args:
        dim: Length of a descriptor.

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
        self._store = DescriptorStore(dim)

    def __len__(self) -> int:
        return len(self._store)

    def add(self, descriptors: Half) -> None:
        """Adds rows of shape (N, D)."""
        self._faiss.add(np.ascontiguousarray(descriptors, dtype=np.float32))
        self._store.append(descriptors)

    def search(self, queries: npt.NDArray[np.float32], k: int, excluded: Rows) -> tuple[Similarities, Rows]:
        """Finds the k nearest rows of each query; see :class:`Index`."""
        wanted = min(len(self), max(REFINE, 2 * k) + len(excluded))
        if wanted > GPU_MOST:
            # More than a GPU sorts: every row is compared here.
            coarse = np.broadcast_to(np.arange(len(self)), (len(queries), len(self)))
            return _refined(self._store, queries, coarse, k, excluded, len(self))
        _, coarse = self._faiss.search(np.ascontiguousarray(queries, dtype=np.float32), wanted)
        return _refined(self._store, queries, coarse, k, excluded, max(REFINE, 2 * k))

    def compare(self, query: npt.NDArray[np.float32], rows: Rows) -> Similarities:
        """Returns the cosine of a query with each of some rows; see :class:`Index`."""
        return np.asarray(self._store.take(rows) @ query, dtype=np.float32)


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


def _refined(
    store: DescriptorStore, queries: npt.NDArray[np.float32], coarse: Rows, k: int, excluded: Rows, most: int
) -> tuple[Similarities, Rows]:
    """Compares the best rows of a coarse search again in full dimension.

    Args:
        store: All rows.
        queries: float32, shape (N, D).
        coarse: Shape (N, M), the best first; -1 for none.
        k: How many are wanted of each query.
        excluded: Rows that must not be found.
        most: How many are compared again.
    """
    similarities = np.full((len(queries), k), -1, dtype=np.float32)
    rows = np.full((len(queries), k), -1, dtype=np.int64)
    for at, query in enumerate(queries):
        found = coarse[at][coarse[at] >= 0]
        found = found[~np.isin(found, excluded)][:most]
        exact = store.take(found) @ query
        # Ties go to the older keyframe, so that the order never depends on the quantiser.
        order = np.lexsort((found, -exact))[:k]
        similarities[at, : len(order)] = exact[order]
        rows[at, : len(order)] = found[order]
    return similarities, rows
