"""The whole evaluation of one model on one data set: describe, search, judge."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.compression import parse, search_compressed
from a2gc_ros.evaluation.curves import Curve, precision_recall
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.describe import describe
from a2gc_ros.evaluation.images import ImageSet
from a2gc_ros.evaluation.recall import BENCHMARK_KS, Recall, recall
from a2gc_ros.evaluation.rows import Rows, SubsetRows
from a2gc_ros.evaluation.search import Neighbors, search
from a2gc_ros.evaluation.store import DescriptorStore
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.system.shards import Shard

Watch = Callable[[str, int, int], None]
"""Called with what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class EvaluationSettings:
    """How an evaluation runs.

    Attributes:
        store: The folder that keeps descriptors from one run to the next.
        ram: Bytes that the process may hold in memory while it searches; None sets no limit.
        gpu: Search on a GPU.
        batch: Images that run through the model at once.
        compress: Compressions to try beside the whole descriptor.
        ks: The K of recall@K.
    """

    store: Path
    ram: int | None = None
    gpu: bool = False
    batch: int = 16
    compress: tuple[str, ...] = ()
    ks: tuple[int, ...] = BENCHMARK_KS


@dataclass(frozen=True)
class Compressed:
    """Recall with a smaller descriptor: the compression's name, and the bytes that a descriptor takes."""

    name: str
    bytes: int
    recall: Recall


@dataclass(frozen=True)
class EvaluationResult:
    """What an evaluation found.

    Attributes:
        dataset: What was asked.
        extractor: The model.
        neighbors: The nearest of each query, of those too that do not count.
        scored: int64 (n,), queries that count.
        positives: For each of those, the right rows.
        recall: Over those.
        curve: Precision against recall of their best matches as a threshold on the similarity falls.
        compressed: The same with smaller descriptors.
        describe_s: Seconds for descriptors that an earlier run had not left.
        search_s: Seconds for the exact search.
    """

    dataset: Dataset
    extractor: Extractor
    neighbors: Neighbors
    scored: NDArray[np.int64]
    positives: Sequence[NDArray[np.int64]]
    recall: Recall
    curve: Curve
    compressed: tuple[Compressed, ...]
    describe_s: float
    search_s: float

    @property
    def groups(self) -> NDArray[np.int64] | None:
        """Groups of the queries that count, for intervals."""
        return None if self.dataset.groups is None else self.dataset.groups[self.scored]


def evaluate(
    dataset: Dataset, extractor: Extractor, settings: EvaluationSettings, watch: Watch = lambda *_: None
) -> EvaluationResult:
    """Evaluates a model.

    Raises:
        DatasetError: An image is missing or damaged, the store cannot be used, or there is nothing to search.
        ConfigError: A setting does not fit.
        BackendError: The model failed.
    """
    compressions = [parse(name) for name in settings.compress]
    with ExitStack() as stack:
        begin = time.monotonic()
        stores = {
            id(images): stack.enter_context(_described(images, extractor, settings, watch))
            for images in _image_sets(dataset)
        }
        database, queries = (_rows(subset, stores) for subset in (dataset.database, dataset.queries))
        described = time.monotonic()
        k = max(settings.ks)
        neighbors = search(
            queries,
            database,
            k,
            dataset.ignored,
            ram=settings.ram,
            gpu=settings.gpu,
            on_progress=partial(watch, "Searching"),
        )
        searched = time.monotonic()
        counts = np.ones(len(dataset.queries), bool) if dataset.scored is None else dataset.scored
        scored = np.flatnonzero(counts).astype(np.int64)
        if not (neighbors.rows[scored, 0] >= 0).any():
            raise DatasetError(
                f"No query of {dataset.name} has anything to be searched in ({dataset.protocol}); give a longer run, "
                "or one run to search and another to ask."
            )
        positives = [dataset.truth[int(query)] for query in scored]
        smaller = []
        for compression in compressions:
            advance = partial(watch, f"Searching, {compression.name}")
            found, size = search_compressed(
                compression, queries, database, k, dataset.ignored, ram=settings.ram, on_progress=advance
            )
            smaller.append(Compressed(compression.name, size, recall(found.rows[scored], positives, settings.ks)))
    return EvaluationResult(
        dataset=dataset,
        extractor=extractor,
        neighbors=neighbors,
        scored=scored,
        positives=positives,
        recall=recall(neighbors.rows[scored], positives, settings.ks),
        curve=_curve(neighbors, scored, positives),
        compressed=tuple(smaller),
        describe_s=described - begin,
        search_s=searched - described,
    )


def describe_part(
    dataset: Dataset,
    extractor: Extractor,
    settings: EvaluationSettings,
    shard: Shard,
    watch: Watch = lambda *_: None,
) -> None:
    """Describes one part of a data set's images into the store, for :func:`evaluate` to find there.

    Raises:
        DatasetError: An image is missing or damaged, or the store cannot be used.
        BackendError: The model failed.
    """
    for images in _image_sets(dataset):
        _described(images, extractor, settings, watch, shard).close()


def _image_sets(dataset: Dataset) -> list[ImageSet]:
    """The sets to describe; one that holds both database and queries is described once."""
    return list({id(subset.images): subset.images for subset in (dataset.database, dataset.queries)}.values())


def _rows(subset: Subset, stores: dict[int, DescriptorStore]) -> Rows:
    store = stores[id(subset.images)]
    return store if subset.rows is None else SubsetRows(store, subset.rows)


def _described(
    images: ImageSet, extractor: Extractor, settings: EvaluationSettings, watch: Watch, shard: Shard | None = None
) -> DescriptorStore:
    """Opens the store of an image set, or of a part of it, with all described."""
    advance = partial(watch, f"Describing {images.name}")
    return describe(images, extractor, settings.store, batch=settings.batch, shard=shard, on_progress=advance)


def _curve(neighbors: Neighbors, scored: NDArray[np.int64], positives: Sequence[NDArray[np.int64]]) -> Curve:
    ranked = [
        (float(neighbors.similarities[query, 0]), bool(np.isin(neighbors.rows[query, 0], right)), len(right) > 0)
        for query, right in zip(scored, positives, strict=True)
        if neighbors.rows[query, 0] >= 0
    ]
    return precision_recall(ranked, sum(len(right) > 0 for right in positives))
