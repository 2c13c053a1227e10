"""What a validation set asks: which images are queries, what is right, what is left out of the search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.errors import ConfigError, DatasetError
from a2gc_training.config import require_each
from a2gc_training.data.rules import SameColumns
from a2gc_training.data.tables import Filter, ImageTable
from a2gc_training.data.view_rule import PlaceRule


@dataclass(frozen=True)
class Protocol:
    """How recall is asked.

    Attributes:
        same: When a database image is right for a query.
        queries: Column to the values of which images are queries, all others being the database. Empty makes every
            image a query against all others.
        every: Only every n-th query is asked.
        ignore_same: Columns; database images that agree with the query in all of them are left out of its search
            (the query's own clip, say).
        ignore_near: Database images near the query by this rule are left out of its search (the seconds before and
            after it, say).
    """

    same: PlaceRule = field(default_factory=SameColumns)
    queries: Filter = field(default_factory=dict)
    every: int = 1
    ignore_same: tuple[str, ...] = ()
    ignore_near: PlaceRule | None = None

    def __post_init__(self) -> None:
        require_each(self, 1, "must be at least 1.", "every")


@dataclass(frozen=True)
class RetrievalTask:
    """Queries, database and ground truth over the rows of one table.

    Attributes:
        queries: int64 (Q,), rows.
        database: int64 (N,), rows.
        positives: For each query, the right positions in ``database``, none of them ignored.
        ignored: For each query, the positions in ``database`` that its search leaves out.
    """

    queries: NDArray[np.int64]
    database: NDArray[np.int64]
    positives: list[NDArray[np.int64]]
    ignored: list[NDArray[np.int64]]


def build_task(table: ImageTable, protocol: Protocol) -> RetrievalTask:
    """Works out what a protocol asks of the images of a table.

    Raises:
        DatasetError: There is no query, no database, or no query has anything right to find.
        ConfigError: ``queries`` names a value that does not occur.
    """
    rows = np.arange(len(table))
    if protocol.queries:
        is_query = table.matching(protocol.queries)
        queries, database = rows[is_query], rows[~is_query]
    else:
        queries, database = rows, rows
    queries = queries[:: protocol.every]
    if not len(queries) or not len(database):
        missing = "database image" if len(queries) else "query"
        raise DatasetError(f"{table.name} leaves no {missing} under the protocol; correct `protocol.queries`.")
    right = protocol.same.matcher(table)
    near = protocol.ignore_near.matcher(table) if protocol.ignore_near else None
    agreeing = table.codes(protocol.ignore_same) if protocol.ignore_same else None
    positives, ignored = [], []
    for query in queries:
        out = rows == query
        if near is not None:
            out = out | near(query)
        if agreeing is not None:
            out = out | (agreeing == agreeing[query])
        ignored.append(np.flatnonzero(out[database]).astype(np.int64))
        positives.append(np.flatnonzero((right(query) & ~out)[database]).astype(np.int64))
    if not any(len(found) for found in positives):
        raise DatasetError(
            f"No query of {table.name} has anything right to find under the protocol; widen `protocol.same` or leave "
            "less out of the search."
        )
    return RetrievalTask(queries, database, positives, ignored)


def refuse_shared_images(training: Sequence[ImageTable], validation: Sequence[ImageTable]) -> None:
    """Raises ConfigError when an image is both trained on and validated on."""
    seen = {table.reader.identity(name) for table in training for name in table.images}
    for table in validation:
        shared = [name for name in table.images if table.reader.identity(name) in seen]
        if shared:
            raise ConfigError(
                f"{len(shared)} images of the validation set {table.name} are trained on as well, {shared[0]} first; "
                "hold them out with `without` in `train`."
            )
