"""What an evaluation found, as numbers for scripts, a row for each query, and a file of predictions."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.dataset import Dataset
from a2gc_ros.evaluation.evaluate import EvaluationResult
from a2gc_ros.evaluation.published import published
from a2gc_ros.extract.extractor import Extractor
from a2gc_ros.system.files import draft_of
from a2gc_ros.system.json_values import finite

PREDICTED = 25
"""Predictions of a query in a file for a server; MSLS asks for up to R@20."""


def row_name(model: str, extractor: Extractor) -> str:
    """What a row of a table is called: the model's file or name, its input's size, and what it was computed in."""
    size = extractor.spec.preprocessing
    return f"{Path(model).name} {size.height}x{size.width} {extractor.precision}"


def numbers(outcome: EvaluationResult, row: str, ms: float, *, intervals: bool = False) -> dict[str, Any]:
    """All numbers of an evaluation, ready for JSON; recall and precision from 0 to 1.

    ``row`` is what its row of a table is called, ``ms`` the milliseconds that the model takes for an image; with
    ``intervals`` there are 95 % bootstrap intervals of recall too.
    """
    dataset, spec = outcome.dataset, outcome.extractor.spec
    found: dict[str, Any] = {
        "dataset": dataset.name,
        "protocol": dataset.protocol,
        "layout": dataset.layout,
        "differs": dataset.differs,
        "row": row,
        "model": spec.name,
        "input": [spec.preprocessing.height, spec.preprocessing.width],
        "fingerprint": spec.fingerprint,
        "descriptor_dim": spec.descriptor_dim,
        "backend": outcome.extractor.backend,
        "precision": outcome.extractor.precision,
        "database": len(dataset.database),
        "queries": len(outcome.scored),
        "answerable": int(outcome.recall.answerable.sum()),
        "recall": {str(k): outcome.recall.at(k) for k in outcome.recall.ks},
        "average_precision": finite(outcome.curve.average_precision),
        "recall_at_precision_100": outcome.curve.recall_at_precision(1.0),
        "recall_at_precision_99": outcome.curve.recall_at_precision(0.99),
        "extended_precision": finite(outcome.curve.extended_precision),
        "descriptor_bytes": 2 * spec.descriptor_dim,
        "compressed": [
            {
                "name": smaller.name,
                "descriptor_bytes": smaller.bytes,
                "recall": {str(k): smaller.recall.at(k) for k in smaller.recall.ks},
            }
            for smaller in outcome.compressed
        ],
        "image_ms": ms,
        "describe_s": outcome.describe_s,
        "search_s": outcome.search_s,
        "published": [asdict(figure) for figure in published(dataset.name)],
    }
    if intervals:
        spreads = {k: outcome.recall.interval(k, groups=outcome.groups) for k in outcome.recall.ks}
        found["interval"] = {str(k): [spread.low, spread.high] for k, spread in spreads.items()}
        found["interval_over"] = "queries" if outcome.groups is None else "groups of queries"
    return found


def write_per_query(outcome: EvaluationResult, path: Path) -> None:
    """Writes a CSV with a row for each query that counts.

    Columns: ``query``, ``positives`` (how many are right), ``first_right`` (rank of the first right one from 1, empty
    where none was found), ``best`` (the nearest image), ``similarity`` (its cosine), ``right`` (0 or 1).
    """
    names, queries = outcome.dataset.database.names, outcome.dataset.queries.names
    with draft_of(path) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("query", "positives", "first_right", "best", "similarity", "right"))
        for query, right in zip(outcome.scored, outcome.positives, strict=True):
            rows = outcome.neighbors.rows[query]
            ranks = np.flatnonzero(np.isin(rows, right))
            first = int(ranks[0]) + 1 if len(ranks) else ""
            best = names[rows[0]] if rows[0] >= 0 else ""
            similarity = f"{outcome.neighbors.similarities[query, 0]:.6f}" if rows[0] >= 0 else ""
            writer.writerow((queries[query], len(right), first, best, similarity, int(first == 1)))


def server_keys(dataset: Dataset) -> tuple[Sequence[str], Sequence[str]]:
    """Names that a server knows the images of database and queries by.

    Raises:
        ConfigError: The data set has none.
    """
    if dataset.keys is None:
        raise ConfigError(
            f"{dataset.name} has no keys that a server knows; predictions are written for MSLS in Mapillary's tree."
        )
    return dataset.keys


def write_predictions(outcome: EvaluationResult, path: Path) -> None:
    """Writes what the MSLS server took: for each query its key and the keys of the nearest images, best first.

    Raises:
        ConfigError: The data set has no keys of a server.
    """
    database, queries = server_keys(outcome.dataset)
    with draft_of(path) as draft, draft.open("w", encoding="utf-8") as file:
        for key, rows in zip(queries, outcome.neighbors.rows, strict=True):
            file.write(" ".join([key, *(database[row] for row in rows[:PREDICTED] if row >= 0)]) + "\n")
