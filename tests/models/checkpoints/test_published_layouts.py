"""Names and shapes of each released layout load whole, and what differs is refused by name."""

from __future__ import annotations

import csv
import lzma
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor

from a2gc_ros.errors import CheckpointError
from a2gc_ros.models import MODELS, Architecture, PlaceModel, checkpoints
from a2gc_ros.models.checkpoints.layouts import LAYOUTS, detect_layout
from a2gc_ros.models.checkpoints.released import architecture_of, read_model
from a2gc_ros.models.named_models import DINOV2_INPUT
from a2gc_ros.models.weights.methods import METHODS

Shapes = dict[str, tuple[int, ...]]

LAYOUT_OF = {
    "a2gc": "a2gc",
    "boq_dinov2": "boq",
    "boq_resnet50": "boq",
    "cliquemining": "salad",
    "megaloc": "megaloc",
    "megaloc_v1.0_torch": "megaloc",
    "salad": "salad",
    **{f"mixvpr_{dim}": "mixvpr" for dim in (128, 512, 4096)},
    **{
        f"{method}_{file}": "cosplace_vgg16" if "vgg" in file else "cosplace"
        for method in ("cosplace", "eigenplaces")
        for file in ("resnet18_512", "resnet50_2048", "resnet101_2048", "vgg16_512")
    },
    "cosplace_resnet152_2048": "cosplace",
}
"""Files of whole models, and the layouts they are read in."""

DINOV2 = [
    f"dinov2_{variant}{registers}" for variant in ("vits14", "vitb14", "vitl14", "vitg14") for registers in ("", "_reg")
]

NAMED = {
    "boq_dinov2": "boq-dinov2-vitb14",
    "boq_resnet50": "boq-resnet50",
    "cliquemining": "cliquemining-dinov2-vitb14",
    "cosplace_resnet152_2048": "cosplace-resnet152-2048",
    "cosplace_vgg16_512": "cosplace-vgg16-512",
    "eigenplaces_resnet18_512": "eigenplaces-resnet18-512",
    "megaloc": "megaloc-dinov2-vitb14",
    "mixvpr_128": "mixvpr-resnet50-128",
    "mixvpr_4096": "mixvpr-resnet50-4096",
    "salad": "salad-dinov2-vitb14",
}


@cache
def published() -> dict[str, Shapes]:
    text = lzma.decompress((Path(__file__).parents[1] / "parity" / "published_keys.csv.xz").read_bytes()).decode()
    found: dict[str, Shapes] = {}
    for row in csv.DictReader(text.splitlines()):
        shape = () if row["shape"] == "scalar" else tuple(map(int, row["shape"].split("x")))
        found.setdefault(row["layout"], {})[row["key"]] = shape
    return found


def made_up(file: str) -> dict[str, Tensor]:
    """All its names and shapes, and no memory."""
    return {key: torch.empty(shape, device="meta") for key, shape in published()[file].items()}


def model_of(file: str, tensors: dict[str, Tensor]) -> PlaceModel:
    with torch.device("meta"):
        if file in DINOV2:
            _, variant, *registers = file.split("_")
            options = {"variant": variant, "registers": bool(registers)}
            return PlaceModel(Architecture("dinov2", "GeM", options), DINOV2_INPUT)
        layout = LAYOUT_OF[file]
        architecture = architecture_of(checkpoints.in_our_words(tensors, LAYOUTS[layout]), layout, source=file)
        return PlaceModel(architecture, METHODS[layout].preprocessing)


def test_every_layout_is_judged() -> None:
    assert {*LAYOUT_OF, *DINOV2, "cricavpr"} == set(published())


@pytest.mark.slow
@pytest.mark.parametrize("file", [*LAYOUT_OF, *DINOV2])
def test_it_loads_whole_and_damage_is_refused_by_name(file: str) -> None:
    tensors = made_up(file)
    assert detect_layout(tensors, source=file) == LAYOUT_OF.get(file, "dinov2")
    model = model_of(file, tensors)
    report = checkpoints.load_tensors(model, tensors, source=file)
    assert len(report.loaded) + len(report.unused) == len(tensors)
    assert report.fixed == ()
    assert report.fresh == (("backbone.mask_token",) if file == "megaloc" else ())
    assert report.unused == (("backbone.norm.weight", "backbone.norm.bias") if file == "boq_dinov2" else ())
    layout = LAYOUT_OF.get(file, "dinov2")
    victim = next(key for key in reversed(tensors) if not key.endswith("num_batches_tracked") and ".norm." not in key)
    ours = LAYOUTS[layout].renamed(victim)
    damaged = {
        "missing: ": {key: tensor for key, tensor in tensors.items() if key != victim},
        "surplus: ": {**tensors, f"{victim}.more": torch.empty(1, device="meta")},
        "misshapen: ": {**tensors, victim: torch.empty(7, 5, device="meta")},
    }
    for complaint, found in damaged.items():
        with pytest.raises(CheckpointError) as caught:
            checkpoints.load_tensors(model, found, layout, source=file)
        assert complaint + ours in str(caught.value)


@pytest.mark.parametrize(("file", "name"), NAMED.items())
def test_the_name_in_the_registry_stands_for_the_same_network(file: str, name: str) -> None:
    tensors = made_up(file)
    with torch.device("meta"):
        model = PlaceModel(MODELS[name].architecture, MODELS[name].preprocessing)
    checkpoints.load_tensors(model, tensors, source=file)
    assert model.descriptor_dim == model_of(file, tensors).descriptor_dim


def test_cricavpr_is_told_apart_and_refused() -> None:
    with pytest.raises(CheckpointError, match="depends on the other images of its batch"):
        detect_layout({name.removeprefix("module."): None for name in published()["cricavpr"]}, source="CricaVPR.pth")


@pytest.mark.parametrize(
    "wrap",
    [
        lambda tensors: tensors,
        lambda tensors: {f"module.{name}": tensor for name, tensor in tensors.items()},
        lambda tensors: {"state_dict": tensors, "epoch": 3, "optimizer_states": [{"state": {}}], "loops": {}},
        lambda tensors: {"state_dict": {f"model.{name}": tensor for name, tensor in tensors.items()}},
        lambda tensors: {"model_state_dict": {f"module._orig_mod.{name}": tensor for name, tensor in tensors.items()}},
    ],
    ids=["bare", "DDP", "Lightning", "Lightning around a model", "compiled"],
)
def test_what_trainings_wrap_around_a_model_is_taken_off(wrap: object, tmp_path: Path) -> None:
    tensors = small_a2gc()
    torch.save(wrap(tensors), tmp_path / "paper.ckpt")  # type: ignore[operator]
    model, licence = read_model(tmp_path / "paper.ckpt", image_size=(56, 70))
    assert model.name == "a2gc-dinov2-vits14"
    assert (model.preprocessing.height, model.preprocessing.width) == (56, 70)
    assert "CV4RA" in licence
    assert model.aggregator.geo_scale == 0.15
    assert torch.equal(model.backbone.get_parameter("cls_token"), tensors["backbone.model.cls_token"])
    assert torch.equal(
        model.aggregator.get_parameter("geo_proj.weight"), tensors["aggregator.geo_proj.weight"].flatten(1)
    )


def test_a_model_that_learns_the_bias_starts_at_what_the_public_code_fixes(tmp_path: Path) -> None:
    torch.save(small_a2gc(), tmp_path / "paper.ckpt")
    architecture = Architecture("dinov2", "A2GC", {"variant": "vits14", "depth": 1}, SMALL)
    model = PlaceModel(architecture, DINOV2_INPUT)
    with torch.no_grad():
        model.aggregator.get_parameter("geo_scale").fill_(3.0)
    report = checkpoints.load(model, tmp_path / "paper.ckpt")
    assert report.fixed == ("aggregator.geo_scale",)
    assert model.aggregator.get_parameter("geo_scale").item() == pytest.approx(0.15)


def test_dinov2_in_chunks_is_read_like_the_flat_one() -> None:
    flat = made_up("dinov2_vits14")
    chunked = {
        name.replace(f"blocks.{number}.", f"blocks.{number // 4}.{number}.", 1) if number is not None else name: tensor
        for name, tensor in flat.items()
        for number in [int(name.split(".")[1]) if name.startswith("blocks.") else None]
    }
    assert set(chunked) != set(flat)
    checkpoints.load_tensors(model_of("dinov2_vits14", flat), chunked, source="chunked")


def test_a_backbone_alone_is_no_model(tmp_path: Path) -> None:
    backbone = PlaceModel(Architecture("dinov2", "GeM", {"variant": "vits14", "depth": 1}), DINOV2_INPUT).backbone
    torch.save(backbone.state_dict(), tmp_path / "dinov2.pth")
    with pytest.raises(CheckpointError, match="a backbone without an aggregator"):
        read_model(tmp_path / "dinov2.pth")


SMALL = {"clusters": 4, "cluster_dim": 8, "token_dim": 16, "hidden": 32}


def small_a2gc() -> dict[str, Tensor]:
    """As A2GC's public code saves a model."""
    torch.manual_seed(0)
    architecture = Architecture("dinov2", "A2GC", {"variant": "vits14", "depth": 1}, {**SMALL, "scale": 0.15})
    tensors = {
        name.replace("backbone.", "backbone.model.", 1): tensor
        for name, tensor in PlaceModel(architecture, DINOV2_INPUT).state_dict().items()
    }
    tensors["aggregator.geo_proj.weight"] = tensors["aggregator.geo_proj.weight"][..., None, None]
    return tensors
