"""What training a recipe takes: parameters, memory and arithmetic, counted operation by operation without doing them.

    python benchmarks/training_cost.py training/recipes/gsv_cities_*.yaml

A step runs at full size on tensors that have shapes and no memory (torch's fake tensors), so even ViT-g takes seconds.
Counted are the bytes that one image's forward pass keeps for its backward pass, under bfloat16 autocast (float16 on a
GPU keeps as many), and the floating-point operations of both passes. `--check RECIPE` does the same step for real:
both ways give the same numbers. The memory is that of the recipe's batch, with float32 weights, their copies for
autocast, and gradients and both moments of Adam for those that train; an allocator and CUDA take more on top. The time
is that which SALAD's README reports, by operations and epochs, for recipes on GSV-Cities.
"""

from __future__ import annotations

import argparse
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from a2gc_training.recipe import Recipe, load_recipe
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.flop_counter import FlopCounterMode

from a2gc_ros.models import build
from a2gc_ros.models.place_model import PlaceModel

GIB = 2**30
SALAD_MINUTES = 30
"""Four epochs on an RTX 3090: github.com/serizba/salad, README."""


@dataclass(frozen=True)
class Step:
    """A training step, or what one more image adds to it.

    Attributes:
        kept: Bytes kept for the backward pass.
        operations: Floating-point operations, forward and backward.
    """

    kept: float
    operations: float


def build_model(recipe: Recipe, device: str) -> PlaceModel:
    """The recipe's model as it trains, without weights."""
    with torch.device(device):
        return build(
            recipe.model.name,
            image_size=recipe.model.image_size,
            trainable_blocks=recipe.model.trainable_blocks,
            **recipe.model.options,
        ).train()


def step(recipe: Recipe, images: int, *, real: bool) -> Step:
    """Runs a step on noise, for real or for its shapes."""
    model = build_model(recipe, "cpu" if real else "meta")
    with nullcontext() if real else FakeTensorMode(allow_non_fake_inputs=True):
        if not real:
            model = model.to_empty(device="cpu")
        batch = torch.randn(images, 3, model.preprocessing.height, model.preprocessing.width)
        weights = {parameter.untyped_storage()._cdata for parameter in model.parameters()}
        kept: dict[int, torch.UntypedStorage] = {}

        def pack(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in weights:
                kept[storage._cdata] = storage
            return tensor

        counter = FlopCounterMode(display=False)
        keeping = torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor)
        with counter:
            with keeping, torch.autocast("cpu", torch.bfloat16):
                total = model(batch).float().sum()
            total.backward()
        return Step(sum(storage.nbytes() for storage in kept.values()), counter.get_total_flops())


def per_image(recipe: Recipe, *, real: bool = False) -> Step:
    """What one more image costs."""
    one, two = (step(recipe, images, real=real) for images in (2, 3))
    return Step(two.kept - one.kept, two.operations - one.operations)


def show(paths: list[Path]) -> None:
    """Prints one row for each recipe."""
    salad = load_recipe(Path(__file__).parents[1] / "training" / "recipes" / "gsv_cities_salad_vitb14.yaml")
    unit = SALAD_MINUTES / (per_image(salad).operations * salad.trainer.epochs)
    table = Table("recipe", "weights (train)", "kept per image", "batch", "memory", "operations per image", "time")
    for path in paths:
        recipe = load_recipe(path)
        parameters = list(build_model(recipe, "meta").parameters())
        total = sum(parameter.numel() for parameter in parameters)
        training = sum(parameter.numel() for parameter in parameters if parameter.requires_grad)
        cost = per_image(recipe)
        images = recipe.sampling.places_per_batch * recipe.sampling.images_per_place
        minutes = unit * cost.operations * recipe.trainer.epochs
        table.add_row(
            path.stem,
            f"{total / 1e6:.0f} M ({training / 1e6:.0f} M)",
            f"{cost.kept / 2**20:.0f} MiB",
            str(images),
            f"{(6 * total + 12 * training + images * cost.kept) / GIB:.1f} GiB",
            f"{cost.operations / 1e9:.0f} GFLOP",
            f"{minutes / 60:.1f} h",
        )
    Console(width=140).print(table)


def main() -> None:
    """Prints the table, or compares a step with a real one."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="*", type=Path)
    parser.add_argument("--check", type=Path, help="a recipe whose step is also done for real")
    arguments = parser.parse_args()
    if arguments.check is not None:
        recipe = load_recipe(arguments.check)
        print(f"counted {per_image(recipe)}\nreal    {per_image(recipe, real=True)}")
    show(arguments.recipes)


if __name__ == "__main__":
    main()
