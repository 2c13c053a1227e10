from __future__ import annotations

import numpy as np
import pytest

from a2gc_ros.errors import ConfigError
from a2gc_ros.evaluation.compression import parse, search_compressed
from a2gc_ros.evaluation.rows import ArrayRows
from a2gc_ros.evaluation.search import search


def clustered(count: int = 600, dim: int = 64, rank: int = 24) -> tuple[ArrayRows, ArrayRows]:
    """Descriptors of low rank, and noisy copies of the first of them."""
    rng = np.random.default_rng(0)
    base = rng.standard_normal((count, rank)) @ rng.standard_normal((rank, dim))
    queries = base[:50] + 0.3 * rng.standard_normal((50, dim))
    return tuple(
        ArrayRows((rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)) for rows in (queries, base)
    )


@pytest.mark.parametrize(
    ("name", "size", "least"),
    [
        ("pca24", 48, 0.98),
        ("pcaw24", 48, 0.95),
        ("sq8", 64, 0.98),
        ("pca24+sq8", 24, 0.95),
        ("pq16", 16, 0.9),
        ("pca24+rabitq", None, 0.8),
        ("pca4", 8, 0.0),
    ],
)
def test_sizes_are_as_named_and_the_right_row_is_still_found(name: str, size: int | None, least: float) -> None:
    queries, database = clustered()
    found, taken = search_compressed(parse(name), queries, database, 5)
    assert taken < 2 * database.dim
    if size is not None:
        assert taken == size
    assert (found.rows[:, 0] == np.arange(50)).mean() >= least


def test_all_dimensions_of_a_projection_lose_nothing() -> None:
    queries, database = clustered(rank=64)
    found, _ = search_compressed(parse("pca64"), queries, database, 1)
    assert (found.rows == search(queries, database, 1).rows).mean() > 0.95


@pytest.mark.parametrize("name", ["pca24", "sq8"])
def test_what_is_ignored_is_not_found(name: str) -> None:
    queries, database = clustered()
    ignored = [np.array([row]) for row in range(50)]
    found, _ = search_compressed(parse(name), queries, database, 5, ignored)
    assert not (found.rows == np.arange(50)[:, None]).any()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "no compression"),
        ("pca", "no compression"),
        ("pca0", "keeps nothing"),
        ("zip", "no compression"),
        ("pca24rabitq", "no compression"),
        ("+pq8", "no compression"),
        ("rabitq", "needs a projection"),
        ("pca24+pq5", "equal parts"),
    ],
)
def test_other_names_are_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        parse(name)


@pytest.mark.parametrize(("name", "words"), [("pca999", "more dimensions"), ("pq7", "equal parts")])
def test_what_does_not_fit_the_descriptors_is_refused(name: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        search_compressed(parse(name), *clustered(), 1)


def test_codes_need_enough_images_to_learn_from() -> None:
    queries, database = clustered(count=60)
    with pytest.raises(ConfigError, match="256 codes"):
        search_compressed(parse("pq16"), queries, database, 1)


def test_a_small_database_is_coded_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    search_compressed(parse("pq16"), *clustered(), 1)
    assert capfd.readouterr() == ("", "")
