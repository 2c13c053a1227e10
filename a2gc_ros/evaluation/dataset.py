"""A data set under a protocol: what is asked of which database, and what is right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import DatasetError
from a2gc_ros.evaluation.ground_truth import Truth
from a2gc_ros.evaluation.images import ImageSet


@dataclass(frozen=True)
class Subset:
    """Some rows of an image set, without another copy of its descriptors.

    Attributes:
        images: The set.
        rows: int64 (n,), which of its images; None for all.
    """

    images: ImageSet
    rows: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.images.names) if self.rows is None else len(self.rows)

    @property
    def names(self) -> Sequence[str]:
        """Names of the images."""
        return self.images.names if self.rows is None else [self.images.names[row] for row in self.rows]


@dataclass(frozen=True)
class Dataset:
    """A retrieval benchmark.

    Attributes:
        name: The protocol's name, such as ``nordland_vprbench_1f``.
        protocol: One sentence: what is right, which queries count.
        layout: Which files it was read from, for people.
        database: What is searched.
        queries: What is asked.
        truth: For each query, the right rows of the database.
        ignored: For each query, rows of the database that its search leaves out (its own neighbors in time); None
            leaves out nothing.
        scored: bool (Q,), queries that count; the others are only answered. None where all count.
        groups: int64 (Q,), queries that resemble each other (a clip, a drive), for intervals that draw whole groups;
            None where they stand alone.
        keys: For each image of the database and the queries, the name that a benchmark's server knows it by, for a
            file of predictions; None where there is no such server.
        differs: None where sizes are as published, else a sentence that says what differs.
    """

    name: str
    protocol: str
    layout: str
    database: Subset
    queries: Subset
    truth: Truth
    ignored: Sequence[NDArray[np.int64]] | None = None
    scored: NDArray[np.bool_] | None = None
    groups: NDArray[np.int64] | None = None
    keys: tuple[Sequence[str], Sequence[str]] | None = None
    differs: str | None = None

    def __post_init__(self) -> None:
        if not len(self.database) or not self.asked:
            what = "query" if len(self.database) else "database image"
            raise DatasetError(f"{self.name} has no {what}; check its files with `a2gc datasets check {self.name}`.")
        if len(self.truth) != len(self.queries):
            raise DatasetError(
                f"{self.name} has {len(self.queries)} queries but ground truth for {len(self.truth)}; both must come "
                "from the same release."
            )

    @property
    def asked(self) -> int:
        """How many queries count."""
        return len(self.queries) if self.scored is None else int(self.scored.sum())
