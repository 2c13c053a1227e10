"""Which queries a picture of retrievals shows, and their images."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.evaluation.dataset import Subset
from a2gc_ros.evaluation.evaluate import Outcome
from a2gc_ros.viz.retrieval import Picture, Retrieval


def choose(outcome: Outcome, count: int, wrong_only: bool) -> NDArray[np.int64]:
    """Chooses queries to show.

    Args:
        outcome: The evaluation.
        count: Most of them.
        wrong_only: Only mistakes, the surest first; else queries spread evenly.

    Returns:
        int64 (n,), places in ``outcome.scored``.
    """
    first = outcome.neighbours.rows[outcome.scored, 0]
    if not wrong_only:
        return np.unique(np.linspace(0, len(first) - 1, min(count, len(first))).astype(np.int64))
    answerable = [
        place
        for place, (row, right) in enumerate(zip(first, outcome.positives, strict=True))
        if len(right) and row >= 0 and row not in right
    ]
    similarities = outcome.neighbours.similarities[outcome.scored, 0]
    return np.array(sorted(answerable, key=lambda place: -similarities[place])[:count], dtype=np.int64)


def gather(outcome: Outcome, chosen: NDArray[np.int64], top_k: int, positives: int) -> list[Retrieval]:
    """Reads the images of chosen queries, of their answers and of what is right.

    Args:
        outcome: The evaluation.
        chosen: int64 (n,), from :func:`choose`.
        top_k: Answers of each.
        positives: Most right ones of each.

    Raises:
        DatasetError: An image cannot be read.
    """
    dataset, neighbours = outcome.dataset, outcome.neighbours
    asked = outcome.scored[chosen]
    answers = [[int(row) for row in neighbours.rows[query, :top_k] if row >= 0] for query in asked]
    rights = [[int(row) for row in outcome.positives[place][:positives]] for place in chosen]
    seen = _read(dataset.queries, [int(query) for query in asked])
    found = _read(dataset.database, [row for rows in (*answers, *rights) for row in rows])
    return [
        Retrieval(
            Picture(seen[int(query)], _short(dataset.queries.names[int(query)])),
            [
                Picture(
                    found[row],
                    f"{neighbours.similarities[query, rank]:.3f}",
                    bool(np.isin(row, outcome.positives[place])),
                )
                for rank, row in enumerate(rows)
            ],
            [Picture(found[row], _short(dataset.database.names[row])) for row in right],
        )
        for place, query, rows, right in zip(chosen, asked, answers, rights, strict=True)
    ]


def _read(subset: Subset, rows: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """Images of some rows of a subset, by row."""
    wanted = np.unique(np.asarray(rows, dtype=np.int64))
    inside = wanted if subset.rows is None else np.asarray(subset.rows)[wanted]
    order = np.argsort(inside, kind="stable")
    images = subset.images.read(inside[order])
    return {int(wanted[at]): image for at, image in zip(order, images, strict=True)}


def _short(name: str) -> str:
    """The end of a name, which is what tells images apart."""
    return f"…{name[-23:]}" if len(name) > 24 else name
