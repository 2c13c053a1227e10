from __future__ import annotations

from a2gc_ros.evaluation.datasets.catalogue import benchmarks
from a2gc_ros.evaluation.published import _all, published


def test_figures_stand_beside_protocols_there_are() -> None:
    assert set(_all()) <= set(benchmarks())


def test_every_figure_is_a_recall_in_percent_with_a_source() -> None:
    for figures in _all().values():
        for figure in figures:
            values = [figure.recall[k] for k in sorted(figure.recall)]
            assert values == sorted(values)
            assert 0 < values[0] <= values[-1] <= 100
            assert figure.url.startswith("https://")
            assert figure.dim > 0


def test_the_best_comes_first_and_doubts_are_kept() -> None:
    figures = published("pitts30k_test")
    assert [figure.recall[1] for figure in figures] == sorted((f.recall[1] for f in figures), reverse=True)
    doubted = {figure.method for figure in figures if figure.differs}
    assert doubted == {"A²GC"}


def test_protocols_without_figures_have_none() -> None:
    assert published("my_own") == []
