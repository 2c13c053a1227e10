"""A named benchmark as a validation set."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.dataset import Dataset, Subset
from a2gc_ros.evaluation.datasets.catalogue import benchmark
from a2gc_ros.evaluation.images import FileImages
from a2gc_training.config import expanded
from a2gc_training.data.tables import FileReader, ImageTable
from a2gc_training.data.validation import RetrievalTask


@dataclass(frozen=True)
class BenchmarkSource:
    """A benchmark that `a2gc eval` knows by name, with its own protocol.

    Attributes:
        name: Its name, as ``a2gc datasets list`` shows it.
        root: The folder of data sets; ``~`` and environment variables are expanded.
    """

    name: str
    kind: Literal["benchmark"] = "benchmark"
    root: str = "$A2GC_DATA"


def load_benchmark(source: BenchmarkSource) -> tuple[ImageTable, RetrievalTask]:
    """Its images in one table, queries after the database, and what is asked of them.

    Raises:
        ConfigError: There is no such benchmark, or its images are not files.
        DatasetError: It is incomplete or damaged.
    """
    dataset = benchmark(source.name).open(expanded(source.root))
    sides = dataset.database, dataset.queries
    folders = [_files(dataset, side).root.resolve() for side in sides]
    root = Path(os.path.commonpath(folders))
    names = [
        f"{folder.relative_to(root).as_posix()}/{name}"
        for folder, side in zip(folders, sides, strict=True)
        for name in side.names
    ]
    counts = np.ones(len(dataset.queries), bool) if dataset.scored is None else dataset.scored
    asked = np.flatnonzero(counts).astype(np.int64)
    database = np.arange(len(dataset.database), dtype=np.int64)
    ignored = [np.empty(0, np.int64)] * len(asked)
    if dataset.ignored is not None:
        ignored = [dataset.ignored[query] for query in asked.tolist()]
    positives = [dataset.truth[query] for query in asked.tolist()]
    task = RetrievalTask(asked + len(database), database, positives, ignored)
    return ImageTable(dataset.name, names, FileReader(root), {}), task


def _files(dataset: Dataset, side: Subset) -> FileImages:
    if not isinstance(side.images, FileImages):
        raise ConfigError(f"{dataset.name} lies in recordings; take its images out, or validate with a source of bags.")
    return side.images
