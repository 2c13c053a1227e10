"""The paper's ablation: every variant is a network that can be built, and one of each solver trains."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch

from a2gc_ros.models import build, named
from a2gc_ros.models.architecture import Architecture
from a2gc_ros.models.named_models import DINOV2_INPUT
from a2gc_ros.models.place_model import PlaceModel

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
from paper_ablation import Variant, row, trained, variants

ALL = {(variant.table, variant.name): variant for variant in variants()}


def test_each_table_has_the_papers_own_row_and_no_two_rows_are_one() -> None:
    tables = {table for table, _ in ALL}
    assert tables == {"components", "backbones", "sweeps", "clusters", "dimensions", "trained blocks"}
    for table in tables:
        recipes = [variant.recipe for variant in ALL.values() if variant.table == table]
        assert sum(not recipe.model.options and recipe.model.name == "a2gc-dinov2-vitb14" for recipe in recipes)
        assert len({str(recipe.model) for recipe in recipes}) == len(recipes)


@pytest.mark.parametrize("key", ALL, ids="-".join)
def test_a_variant_can_be_built(key: tuple[str, str]) -> None:
    section = ALL[key].recipe.model
    entry = named(section.name)
    options = {**entry.architecture.aggregator_options, **section.options}
    architecture = Architecture("dinov2", "A2GC", entry.architecture.backbone_options, options)
    with torch.device("meta"):
        model = PlaceModel(architecture, DINOV2_INPUT)
    dims = {"512 + 32": 544, "2048 + 64": 2112, "4096 + 128": 4224, "16 clusters": 16 * 128 + 256}
    assert model.descriptor_dim == dims.get(key[1], model.descriptor_dim)


@torch.no_grad()
def test_sweeps_and_a_fixed_bias_are_what_they_say() -> None:
    torch.manual_seed(0)
    options = {"image_size": (56, 70), "depth": 1, "clusters": 4, "cluster_dim": 8, "token_dim": 8, "hidden": 8}
    three = build("a2gc-dinov2-vits14", **options).eval()
    # A random start is nearly indifferent to where a patch lies and which cluster takes it.
    three.aggregator.get_parameter("cluster_geo").mul_(50)
    three.aggregator.get_parameter("score.3.weight").mul_(50)
    image = torch.randn(1, 3, 56, 70)
    found = {}
    for change in ({}, {"sweeps": 3}, {"sweeps": 1}, {"scale": 0.15}, {"scale": 0.0}):
        model = build("a2gc-dinov2-vits14", **options, **change).eval()
        model.load_state_dict({k: v for k, v in three.state_dict().items() if k in model.state_dict()})
        found[str(change)] = model(image)
    same = found["{}"]
    assert torch.equal(found["{'sweeps': 3}"], same)
    assert torch.allclose(found["{'scale': 0.15}"], same, atol=1e-6)
    assert not torch.allclose(found["{'sweeps': 1}"], same, atol=1e-6)
    assert not torch.allclose(found["{'scale': 0.0}"], same, atol=1e-6)


@pytest.mark.slow
def test_a_variant_is_rehearsed_once_and_stands_in_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variant = ALL["components", "symmetric transport"]
    small = {**variant.recipe.model.options, "clusters": 4, "cluster_dim": 8, "token_dim": 8, "hidden": 8, "depth": 1}
    section = type(variant.recipe.model)("a2gc-dinov2-vits14", (56, 56), options=small)
    recipe = type(variant.recipe)(
        **{name: getattr(variant.recipe, name) for name in variant.recipe.__dataclass_fields__} | {"model": section}
    )
    variant = Variant(variant.table, variant.name, recipe, variant.published, None)
    summary = trained(variant, tmp_path, dev=True)
    monkeypatch.setattr("paper_ablation.train", None)
    assert trained(variant, tmp_path, dev=True) == summary
    cells = [cell.strip() for cell in row(variant, summary).split("|")]
    assert cells[1:3] == ["symmetric transport", "40"]
    assert cells[-2] == "93.9 / 98.1 / 99.3"
