"""What training a recipe takes: parameters, memory and arithmetic, from real steps of a few images on this machine.

    python benchmarks/training_cost.py training/recipes/gsv_cities_*.yaml

Measured here: the bytes that one image's forward pass keeps for its backward pass, under bfloat16 autocast (float16 on
a GPU keeps as many), and the floating-point operations of both. A transformer's frozen blocks keep nothing, so two
runs with one and two of them are enough to know all of its depth. Computed from that: the memory of the recipe's
batch, with weights, gradients and both moments of Adam in float32, which is what the tensors need and less than what
an allocator and CUDA take on top.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import torch
from a2gc_training.losses import MetricLoss
from a2gc_training.recipe import Recipe, load_recipe
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from a2gc_ros.models import build, named
from a2gc_ros.models.backbone import Backbone
from a2gc_ros.models.place_model import PlaceModel

GIB = 2**30
BATCHES = (4, 8)
"""Two places and four, of two images each: the difference is what images cost, whatever else is kept."""


@dataclass(frozen=True)
class Step:
    """One step of a model.

    Attributes:
        kept: Bytes kept for the backward pass.
        operations: Floating-point operations, forward and backward.
    """

    kept: float
    operations: float


def measure(model: PlaceModel, recipe: Recipe, images: int) -> Step:
    """Runs a training step on noise."""
    size = (model.preprocessing.height, model.preprocessing.width)
    batch = torch.randn(images, 3, *size)
    places = torch.arange(images // 2).repeat_interleave(2)
    weights = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    kept: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    counter = FlopCounterMode(display=False)
    with counter:
        with (
            torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
            torch.autocast("cpu", torch.bfloat16),
        ):
            loss = MetricLoss(recipe.loss)(model(batch), places)
        loss.backward()
    return Step(sum(kept.values()), counter.get_total_flops())


def per_image(recipe: Recipe, depth: int | None) -> Step:
    """What one more image costs."""
    options = {**recipe.model.options, **({} if depth is None else {"depth": depth})}
    model = build(
        recipe.model.name,
        image_size=recipe.model.image_size,
        trainable_blocks=recipe.model.trainable_blocks,
        **options,
    ).train()
    few, many = (measure(model, recipe, images) for images in BATCHES)
    more = BATCHES[1] - BATCHES[0]
    return Step((many.kept - few.kept) / more, (many.operations - few.operations) / more)


def of_whole_depth(recipe: Recipe) -> Step:
    """What one more image costs the model at its full depth."""
    trainable = recipe.model.trainable_blocks
    if named(recipe.model.name).architecture.backbone != "dinov2" or trainable is None:
        return per_image(recipe, None)
    one, two = per_image(recipe, trainable + 1), per_image(recipe, trainable + 2)
    frozen = depth_of(meta_model(recipe).backbone) - trainable
    return Step(one.kept, one.operations + (frozen - 1) * (two.operations - one.operations))


def meta_model(recipe: Recipe) -> PlaceModel:
    """The model without memory for its weights."""
    with torch.device("meta"):
        return build(
            recipe.model.name,
            image_size=recipe.model.image_size,
            trainable_blocks=recipe.model.trainable_blocks,
            **recipe.model.options,
        )


def depth_of(backbone: Backbone) -> int:
    """How many blocks there are."""
    return len(backbone.blocks_by_depth())


def main() -> None:
    """Prints one row for each recipe."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", type=Path)
    table = Table("recipe", "weights (of which train)", "kept per image", "batch", "memory", "operations per image")
    for path in parser.parse_args().recipes:
        recipe = load_recipe(path)
        parameters = list(meta_model(recipe).parameters())
        total = sum(p.numel() for p in parameters)
        training = sum(p.numel() for p in parameters if p.requires_grad)
        step = of_whole_depth(recipe)
        images = recipe.sampling.places_per_batch * recipe.sampling.images_per_place
        # Float32 weights, a half-precision copy for autocast, and for those that train gradients and two moments.
        memory = 6 * total + 12 * training + images * step.kept
        table.add_row(
            path.stem,
            f"{total / 1e6:.1f} M ({training / 1e6:.1f} M)",
            f"{step.kept / 2**20:.0f} MiB",
            str(images),
            f"{memory / GIB:.1f} GiB",
            f"{step.operations / 1e9:.0f} GFLOP",
        )
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
