"""Which queries pictures of retrievals show, their images, and the pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from a2gc_ros.evaluation.dataset import Subset
from a2gc_ros.evaluation.evaluate import EvaluationResult
from a2gc_ros.viz import style
from a2gc_ros.viz.retrieval import Picture, Retrieval, draw_retrievals

ROWS: Final = 6
"""Queries in one picture."""


def choose(outcome: EvaluationResult, count: int, wrong_only: bool) -> NDArray[np.int64]:
    """Chooses at most ``count`` queries to show: only mistakes, the surest first, or queries spread evenly.

    Returns:
        int64 (n,), places in ``outcome.scored``.
    """
    first = outcome.neighbors.rows[outcome.scored, 0]
    if not wrong_only:
        return np.unique(np.linspace(0, len(first) - 1, min(count, len(first))).astype(np.int64))
    answerable = [
        place
        for place, (row, right) in enumerate(zip(first, outcome.positives, strict=True))
        if len(right) and row >= 0 and row not in right
    ]
    similarities = outcome.neighbors.similarities[outcome.scored, 0]
    return np.array(sorted(answerable, key=lambda place: -similarities[place])[:count], dtype=np.int64)


def gather(outcome: EvaluationResult, chosen: NDArray[np.int64], top_k: int, positives: int) -> list[Retrieval]:
    """Reads the images of queries from :func:`choose`, of their answers and of what is right.

    Raises:
        DatasetError: An image cannot be read.
    """
    dataset, neighbors = outcome.dataset, outcome.neighbors
    plans = []
    for place in chosen:
        query, right = int(outcome.scored[place]), outcome.positives[place]
        answers = [int(row) for row in neighbors.rows[query, :top_k] if row >= 0]
        plans.append((query, right, answers, what_would_be_right(neighbors.rows[query], right, most=positives)))
    seen = _read(dataset.queries, [query for query, *_ in plans])
    found = _read(
        dataset.database, [row for *_, answers, best in plans for row in (*answers, *(row for row, _ in best))]
    )
    return [
        Retrieval(
            Picture(seen[query], caption(dataset.queries.names[query])),
            [
                Picture(found[row], f"{neighbors.similarities[query, rank]:.3f}", bool(np.isin(row, right)))
                for rank, row in enumerate(answers)
            ],
            [Picture(found[row], f"{caption(dataset.database.names[row])}\n{rank}") for row, rank in best],
        )
        for query, right, answers, best in plans
    ]


def first_answers(outcomes: Sequence[EvaluationResult], chosen: NDArray[np.int64]) -> list[Retrieval]:
    """Chosen queries with the first answer of each of several models on one data set, and one right image.

    Raises:
        DatasetError: An image cannot be read.
    """
    each = [gather(outcome, chosen, 1, 1) for outcome in outcomes]
    return [
        Retrieval(same[0].query, [answer for retrieval in same for answer in retrieval.answers], same[0].positives)
        for same in zip(*each, strict=True)
    ]


def draw(shown: Sequence[Retrieval], stem: Path, title: str, **columns: Any) -> list[Path]:
    """Draws retrievals, `ROWS` in each picture, and returns the files: ``stem`` with a number and a suffix.

    ``columns`` are those of :func:`a2gc_ros.viz.retrieval.draw_retrievals`.
    """
    files = []
    for number, start in enumerate(range(0, len(shown), ROWS), start=1):
        page = shown[start : start + ROWS]
        files.append(stem.with_name(f"{stem.name}_{number}.png"))
        style.save(draw_retrievals(page, rows=len(page), title=title, **columns), files[-1])
    return files


def what_would_be_right(rows: NDArray[np.int64], right: NDArray[np.int64], *, most: int) -> list[tuple[int, str]]:
    """The right images that were found best, then those that were not found; each row, and how it was ranked.

    ``rows`` is what was found, int64 (K,), best first, -1 where there was nothing more, and ``right`` int64 (P,).
    """
    ranked = [(int(row), f"rank {rank}") for rank, row in enumerate(rows, start=1) if row >= 0 and row in right]
    searched = int((rows >= 0).sum())
    rest = f"beyond rank {searched}" if searched == len(rows) else "not found"
    return [*ranked, *((int(row), rest) for row in right if row not in rows)][:most]


def caption(name: str) -> str:
    """What an image is called for people: a frame of a recording is named by its stamp, in nanoseconds."""
    return f"{int(name) * 1e-9:.1f} s" if name.isdecimal() else name


def _read(subset: Subset, rows: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
    """Images of some rows of a subset, by row."""
    wanted = np.unique(np.asarray(rows, dtype=np.int64))
    inside = wanted if subset.rows is None else np.asarray(subset.rows)[wanted]
    order = np.argsort(inside, kind="stable")
    images = subset.images.read(inside[order])
    return {int(wanted[at]): image for at, image in zip(order, images, strict=True)}
