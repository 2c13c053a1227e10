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
            assert figure.dim is None or figure.dim > 0


def test_the_best_comes_first_and_doubts_are_kept() -> None:
    figures = published("pitts30k_test")
    assert [figure.recall[1] for figure in figures] == sorted((f.recall[1] for f in figures), reverse=True)
    doubted = {figure.method for figure in figures if figure.differs}
    assert doubted == {"A²GC", "SelaVPR", "Pair-VPR"}


def test_the_figures_that_methods_print_themselves_are_all_there() -> None:
    """One of each row of their READMEs: method, a part of the backbone, dimensions, protocol, R@1."""
    rows = [
        ("BoQ", "ViT-B", 12288, "amstertime", 63.0),
        ("BoQ", "ResNet-50", 16384, "nordland_vprbench_1f", 70.7),
        ("MixVPR", "ResNet-50", 4096, "msls_val", 88.2),
        ("MixVPR", "ResNet-50", 512, "pitts250k_test", 93.2),
        ("MixVPR", "ResNet-50", 128, "pitts30k_test", 87.8),
        ("SALAD", "ViT-B", 8448, "msls_test", 75.0),
        *(
            ("A²GC", f"{size} px", 8448, "msls_val", r)
            for size, r in ((224, 90.4), (364, 91.0), (406, 93.2), (588, 96.4))
        ),
        ("CosPlace", "ResNet-18", 512, "st_lucia", 98.8),
    ]
    for method, backbone, dim, protocol, recall in rows:
        assert any(
            figure.method == method and backbone in figure.backbone and figure.dim == dim and figure.recall[1] == recall
            for figure in published(protocol)
        ), (method, backbone, protocol)


def test_protocols_without_figures_have_none() -> None:
    assert published("my_own") == []
