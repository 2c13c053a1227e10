"""Named models: what a name stands for, what may be changed, and what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from a2gc_ros.errors import ModelError
from a2gc_ros.models import MODELS, Architecture, PlaceModel, build
from a2gc_ros.models.aggregators.a2gc import A2GC
from a2gc_ros.models.aggregators.projected import Projected
from a2gc_ros.models.checkpoints.layouts import LAYOUTS
from a2gc_ros.models.fingerprint import fingerprint

DIMENSIONS = {
    "a2gc-dinov2-vits14": 8448,
    "a2gc-dinov2-vitb14": 8448,
    "a2gc-dinov2-vitl14": 8448,
    "a2gc-dinov2-vitg14": 33280,
    "a2gc-dinov2-vitb14-reg": 8448,
    "salad-dinov2-vitb14": 8448,
    "megaloc-dinov2-vitb14": 8448,
    "a2gc-resnet50": 8448,
    "gem-resnet50": 1024,
    "netvlad-resnet18": 64 * 256,
    "gem-mobilenetv2": 1280,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_every_named_model_can_be_built_for_its_input(name: str) -> None:
    entry = MODELS[name]
    assert entry.name == name
    with torch.device("meta"):
        model = PlaceModel(entry.architecture, entry.preprocessing, name=name)
    assert model.descriptor_dim == DIMENSIONS.get(name, model.descriptor_dim)
    assert entry.licence
    rows, columns = model.backbone.grid(entry.preprocessing.height, entry.preprocessing.width)
    if entry.architecture.aggregator == "SALAD":
        assert rows * columns > getattr(model.aggregator, "agg", model.aggregator).clusters
    for weights in (entry.weights, entry.backbone_weights):
        if weights is not None:
            assert weights.layout in LAYOUTS
            assert weights.url is None or weights.url.endswith("/" + weights.file)
            assert weights.url is None or weights.url.startswith("https://")


def test_names_the_project_promises_exist() -> None:
    assert set(DIMENSIONS) | {"a2gc-mobilenetv2", "salad-mobilenetv2", "netvlad-mobilenetv2"} <= set(MODELS)


def test_the_robots_model_fits_its_budget() -> None:
    assert build("a2gc-mobilenetv2").descriptor_dim <= 2048


@pytest.mark.parametrize("name", MODELS)
def test_an_architecture_survives_json(name: str) -> None:
    architecture = MODELS[name].architecture
    assert Architecture.from_dict(json.loads(json.dumps(architecture.to_dict()))) == architecture


def test_overrides_reach_their_part() -> None:
    model = build(
        "a2gc-mobilenetv2",
        image_size=(128, 160),
        clusters=6,
        cluster_dim=5,
        token_dim=0,
        geometry=False,
        tap=50,
        resize="keep_aspect",
        projection=16,
        trainable_blocks=1,
    )
    assert isinstance(model.aggregator, Projected)
    inner = model.aggregator.agg
    assert isinstance(inner, A2GC)
    assert (inner.clusters, inner.cluster_dim, inner.geometry, inner.in_channels) == (6, 5, False, 320)
    assert inner.descriptor_dim == 30
    assert model.descriptor_dim == 16
    assert (model.preprocessing.height, model.preprocessing.width) == (128, 160)
    assert model.preprocessing.resize == "keep_aspect"
    trainable = {name for name, weight in model.backbone.named_parameters() if weight.requires_grad}
    assert trainable == {"convs.51.weight", "convs.51.bias"}
    assert MODELS["a2gc-mobilenetv2"].architecture.projection is None


@pytest.mark.parametrize(
    ("name", "options", "complaint"),
    [
        ("a2gc-vgg16", {}, "no model named 'a2gc-vgg16'; choose one of a2gc-dinov2-vitb14"),
        ("a2gc-mobilenetv2", {"cluster": 3}, "no option 'cluster'; it takes .*clusters"),
        ("gem-mobilenetv2", {"clusters": 3}, "no option 'clusters'"),
        ("a2gc-mobilenetv2", {"in_channels": 3}, "no option 'in_channels'"),
        ("a2gc-dinov2-vits14", {"image_size": (224, 230), "depth": 0}, "width 230 is not: use 224 or 238"),
        ("a2gc-mobilenetv2", {"pretrained": True}, "No weights of the whole model a2gc-mobilenetv2 are published"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, options: dict[str, object], complaint: str) -> None:
    with pytest.raises(ModelError, match=complaint):
        build(name, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"backbone": "vgg"}, "no backbone named 'vgg'; choose one of dinov2"),
        ({"aggregator": "max"}, "no aggregator named 'max'; choose one of A2GC, ASYOT"),
        ({"backbone_options": {"size": 3}}, "backbone mobilenetv2 has no option 'size'"),
        ({"aggregator_options": {"in_channels": 3}}, "aggregator GeM has no option 'in_channels'"),
        ({"extra": 1}, "needs exactly the entries"),
    ],
)
def test_a_damaged_architecture_is_refused(change: dict[str, object], complaint: str) -> None:
    values = {**Architecture("mobilenetv2", "GeM").to_dict(), **change}
    with pytest.raises(ModelError, match=complaint):
        Architecture.from_dict(values)


def small() -> PlaceModel:
    torch.manual_seed(0)
    return build("a2gc-mobilenetv2", image_size=(64, 96), clusters=4, cluster_dim=8, token_dim=16, tap=38).eval()


class TestPlaceModel:
    def test_normalises_as_its_preprocessing_says(self) -> None:
        model = build("gem-resnet18", image_size=(4, 6))
        images = np.random.default_rng(0).integers(0, 256, (2, 4, 6, 3), np.uint8)
        mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
        expected = ((images / 255 - mean) / std).transpose(0, 3, 1, 2)
        np.testing.assert_allclose(model.normalize(torch.from_numpy(images)).numpy(), expected, atol=1e-6)

    def test_mobilenets_input_spans_minus_one_to_one(self) -> None:
        model = small()
        ends = torch.tensor([0, 255], dtype=torch.uint8).reshape(1, 1, 2, 1).expand(1, 1, 2, 3)
        assert model.normalize(ends)[0, 0, 0].tolist() == [-1.0, 1.0]

    def test_baking_changes_nothing(self) -> None:
        model = small()
        images = torch.randn(2, 3, 64, 96)
        before = model(images)
        assert torch.equal(model.bake()(images), before)

    def test_a_mask_over_the_grid_is_heeded(self) -> None:
        model = small()
        images = torch.randn(2, 3, 64, 96)
        mask = torch.ones(2, *model.backbone.grid(64, 96), dtype=torch.bool)
        torch.testing.assert_close(model(images, mask), model(images))
        mask[:, 0] = False
        assert not torch.allclose(model(images, mask), model(images))

    def test_starts_from_images(self) -> None:
        model = build("a2gc-mobilenetv2", image_size=(32, 64), clusters=3, cluster_dim=4, token_dim=4, projection=5)
        before = fingerprint(model)
        model.initialize_from(torch.rand(8, 3, 32, 64) for _ in range(3))
        assert fingerprint(model) != before
        torch.testing.assert_close(model(torch.rand(2, 3, 32, 64)).norm(dim=1), torch.ones(2))

    def test_cannot_start_from_nothing(self) -> None:
        with pytest.raises(ModelError, match="from no image"):
            small().initialize_from([])

    def test_moves_with_all_its_parts(self) -> None:
        model = small().bake().double()
        images = torch.zeros(1, 64, 96, 3, dtype=torch.uint8)
        assert model(model.normalize(images)).dtype == torch.float64


class TestFingerprint:
    def test_is_the_same_for_the_same_model(self) -> None:
        assert fingerprint(small()) == fingerprint(small())
        assert len(fingerprint(small())) == 64

    def test_ignores_name_mode_and_baking(self) -> None:
        model = small()
        before = fingerprint(model)
        model.name = "renamed"
        assert fingerprint(model.bake()) == before
        assert fingerprint(model.train()) == before

    def test_every_single_weight_counts(self) -> None:
        reference = fingerprint(small())
        for name, _ in small().named_parameters():
            if name.startswith("backbone") and "convs.7" not in name:
                continue
            changed = small()
            with torch.no_grad():
                changed.get_parameter(name).view(-1)[-1] += 1e-3
            assert fingerprint(changed) != reference, name

    @pytest.mark.parametrize("change", [{"resize": "keep_aspect"}, {"antialias": False}, {"mean": (0.4, 0.5, 0.5)}])
    def test_preprocessing_counts(self, change: dict[str, object]) -> None:
        torch.manual_seed(0)
        options = {"image_size": (64, 96), "clusters": 4, "cluster_dim": 8, "token_dim": 16, "tap": 38}
        assert fingerprint(build("a2gc-mobilenetv2", **options, **change)) != fingerprint(small())  # type: ignore[arg-type]

    def test_architecture_counts_where_weights_are_the_same(self) -> None:
        torch.manual_seed(0)
        options = {"image_size": (64, 96), "clusters": 4, "cluster_dim": 8, "token_dim": 16, "tap": 38}
        symmetric = build("a2gc-mobilenetv2", **options, asymmetric=False)  # type: ignore[arg-type]
        assert symmetric.state_dict().keys() == small().state_dict().keys()
        assert fingerprint(symmetric) != fingerprint(small())
