"""Other methods' aggregators and DINOv2 against what their public implementations compute, on small random weights."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from a2gc_ros.models.aggregator import Aggregator
from a2gc_ros.models.aggregators.a2gc import A2GC
from a2gc_ros.models.aggregators.boq import BoQ
from a2gc_ros.models.aggregators.cluster_transport import ClusterTransport
from a2gc_ros.models.aggregators.cosplace import CosPlace
from a2gc_ros.models.aggregators.mixvpr import MixVPR
from a2gc_ros.models.aggregators.projected import Projected
from a2gc_ros.models.aggregators.salad import Salad
from a2gc_ros.models.backbones import dinov2
from a2gc_ros.models.checkpoints import in_our_words
from a2gc_ros.models.checkpoints.layouts import LAYOUTS

HERE = Path(__file__).parent / "parity"
BESIDE = Path(__file__).resolve().parents[3] / "shared" / "parity"
TOLERANCE = 1e-5
"""The largest difference allowed of any value."""


class Example:
    """Weights, inputs and outputs of one example, float32."""

    def __init__(self, name: str) -> None:
        file = next((folder / f"{name}.npz" for folder in (HERE, BESIDE) if (folder / f"{name}.npz").is_file()), None)
        if file is None:
            pytest.skip(f"the example {name} lies beside a developer's checkout only")
        with np.load(file) as arrays:
            self.config: dict[str, Any] = json.loads(str(arrays["config"]))
            found = {key: torch.from_numpy(arrays[key]) for key in arrays.files if key != "config"}
        self.parts = {
            part: {key.removeprefix(f"{part}/"): value for key, value in found.items() if key.startswith(part)}
            for part in ("weight", "input", "output")
        }

    def weights(self, layout: str, ours: str) -> dict[str, Tensor]:
        """By our names, without a prefix."""
        named = in_our_words(self.parts["weight"], LAYOUTS[layout])
        return {name.removeprefix(ours): tensor for name, tensor in named.items() if name.startswith(ours)}


def heads(config: dict[str, Any]) -> dict[str, int]:
    return {
        "in_channels": config["num_channels"],
        "token_channels": config["num_channels"],
        "clusters": config["num_clusters"],
        "cluster_dim": config["cluster_dim"],
        "token_dim": config["token_dim"],
        "hidden": config.get("hidden", config.get("mlp_dim")),
    }


def salad(config: dict[str, Any]) -> Aggregator:
    return Salad(**heads(config))


def a2gc(config: dict[str, Any]) -> Aggregator:
    return A2GC(**heads(config), scale=config["geo_lambda"])


def megaloc(config: dict[str, Any]) -> Aggregator:
    return Projected(Salad(**heads(config)), config["feat_dim"])


def boq(config: dict[str, Any]) -> Aggregator:
    return BoQ(
        in_channels=config["in_channels"],
        token_channels=1,
        channels=config["proj_channels"],
        queries=config["num_queries"],
        layers=config["num_layers"],
        rows=config["row_dim"],
        heads=config["nheads"],
    )


def mixvpr(config: dict[str, Any]) -> Aggregator:
    return MixVPR(
        in_channels=config["in_channels"],
        token_channels=1,
        grid_rows=config["in_h"],
        grid_columns=config["in_w"],
        channels=config["out_channels"],
        rows=config["out_rows"],
        depth=config["mix_depth"],
        ratio=config["mlp_ratio"],
    )


def cosplace(config: dict[str, Any]) -> Aggregator:
    return CosPlace(in_channels=config["in_channels"], token_channels=1, descriptor_dim=config["fc_output_dim"])


AGGREGATORS = {
    "salad": (salad, "salad"),
    "cliquemining": (salad, "salad"),
    "a2gc": (a2gc, "a2gc"),
    "megaloc": (megaloc, "megaloc"),
    "boq": (boq, "boq"),
    "mixvpr": (mixvpr, "mixvpr"),
    "cosplace": (cosplace, "cosplace"),
    "eigenplaces": (cosplace, "cosplace"),
}
EXAMPLES = [f"{name}{number}" for name in AGGREGATORS for number in ("", "_2") if (name, number) != ("megaloc", "_2")]


@pytest.mark.parametrize("name", EXAMPLES)
@torch.no_grad()
def test_an_aggregator_computes_what_the_public_one_does(name: str) -> None:
    example = Example(name)
    make, layout = AGGREGATORS[name.partition("_")[0]]
    aggregator = make(example.config).eval()
    aggregator.load_state_dict(example.weights(layout, "aggregator."))
    features = example.parts["input"]["features"]
    token = example.parts["input"].get("token", torch.zeros(len(features), 1))
    expected = example.parts["output"]
    torch.testing.assert_close(aggregator(features, token), expected["descriptor"], atol=TOLERANCE, rtol=0)
    if isinstance(aggregator, ClusterTransport):
        plan = aggregator.assignment(features)
        # SALAD's public code gives each token the mass 1, ours 1 / (n + m), as A²GC's does.
        wanted = expected["assignment"] / expected["assignment"].sum(dim=1, keepdim=True)
        torch.testing.assert_close(plan / plan.sum(dim=1, keepdim=True), wanted, atol=TOLERANCE, rtol=0)
    if isinstance(aggregator, A2GC):
        bias = aggregator.geometric_bias(*features.shape[-2:])
        torch.testing.assert_close(bias / 0.15, expected["geometric_scores"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["dinov2", "dinov2_2", "dinov2_3"])
@torch.no_grad()
def test_dinov2_computes_what_the_public_one_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    example = Example(name)
    config, expected = example.config, example.parts["output"]
    backbone = tiny(config, monkeypatch, registers=config["num_register_tokens"] > 0)
    backbone.load_state_dict(example.weights("dinov2", ""))
    found = backbone(example.parts["input"]["image"])
    torch.testing.assert_close(found.token, expected["x_norm_clstoken"], atol=TOLERANCE, rtol=0)
    patches = found.map.flatten(2).transpose(1, 2)
    torch.testing.assert_close(patches, expected["x_norm_patchtokens"], atol=TOLERANCE, rtol=0)
    positions = backbone.interpolate_positions(*config["grid"])
    torch.testing.assert_close(positions, expected["pos_embed"], atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_before_the_final_norm_are_the_features_that_boq_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    example = Example("dinov2_3")
    backbone = tiny(example.config, monkeypatch, registers=True, final_norm=False)
    weights = example.weights("dinov2", "")
    backbone.load_state_dict({name: tensor for name, tensor in weights.items() if not name.startswith("norm.")})
    found = backbone(example.parts["input"]["image"])
    patches = found.map.flatten(2).transpose(1, 2)
    torch.testing.assert_close(patches, example.parts["output"]["x_prenorm"][:, 5:], atol=TOLERANCE, rtol=0)


@torch.no_grad()
def test_megaloc_computes_what_the_public_one_does_from_the_image_on(monkeypatch: pytest.MonkeyPatch) -> None:
    example = Example("megaloc_2")
    config = example.config
    backbone = tiny(config, monkeypatch)
    weights = example.weights("megaloc", "backbone.")
    backbone.load_state_dict({**weights, "mask_token": backbone.mask_token})
    aggregator = megaloc({**config, "num_channels": config["embed_dim"]}).eval()
    aggregator.load_state_dict(example.weights("megaloc", "aggregator."))
    found = backbone(example.parts["input"]["image"])
    expected = example.parts["output"]["descriptor"]
    torch.testing.assert_close(aggregator(found.map, found.token), expected, atol=TOLERANCE, rtol=0)


def tiny(config: dict[str, Any], monkeypatch: pytest.MonkeyPatch, **options: bool) -> dinov2.DinoV2:
    """A DINOv2 of an example's size."""
    size = dinov2.DinoV2Size(
        dim=config["embed_dim"],
        depth=config["depth"],
        heads=config["num_heads"],
        swiglu="swiglu" in config.get("ffn_layer", "mlp"),
        trained_grid=config["pos_grid"][0],
    )
    monkeypatch.setitem(dinov2.SIZES, "tiny", size)
    return dinov2.DinoV2(variant="tiny", **options).eval()
