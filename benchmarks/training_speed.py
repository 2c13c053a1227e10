"""What a training step of a recipe takes on this machine's NVIDIA GPU: time, memory, and the share of augmentation.

    python benchmarks/training_speed.py training/recipes/gsv_cities_*.yaml

Full-size steps at the recipe's batch and precision: augmentation, forward pass, miner and loss, backward pass, AdamW,
on noise in place of photographs, from random weights. Reading images is not in it. `benchmarks/training_cost.py` counts
the same without a GPU. Writes OUT.json and OUT.md.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from a2gc_training.augmentation import Augmentation
from a2gc_training.losses import MetricLoss
from a2gc_training.recipe import Recipe, load_recipe
from kept_results import keep

from a2gc_ros.models import build

HERE = Path(__file__).resolve().parent
AUTOCAST = {"16-mixed": torch.float16, "bf16-mixed": torch.bfloat16}
PLANNED_STEPS = 4000
"""Over which the recipes for GSV-Cities let the learning rate fall: about four epochs."""


@dataclass(frozen=True)
class Row:
    """What a step takes.

    Attributes:
        images: Of a batch.
        precision: Of the recipe.
        step_ms: Median time of a step after augmentation.
        augment_ms: Median time of augmentation.
        peak_gib: Most memory that torch held at once.
        finite: Whether every loss was a finite number.
    """

    recipe: str
    images: int
    precision: str
    step_ms: float
    augment_ms: float
    peak_gib: float
    finite: bool


class Steps:
    """Training steps of a recipe on one batch of noise."""

    def __init__(self, recipe: Recipe) -> None:
        torch.manual_seed(recipe.seed)
        self._model = build(
            recipe.model.name,
            image_size=recipe.model.image_size,
            trainable_blocks=recipe.model.trainable_blocks,
            **recipe.model.options,
        )
        self._model.cuda().train()
        self._augmentation = Augmentation(recipe.augmentation).cuda()
        self._loss = MetricLoss(recipe.loss)
        trained = [parameter for parameter in self._model.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.AdamW(trained, lr=recipe.optimizer.lr)
        self._dtype = AUTOCAST.get(recipe.trainer.precision)
        self._scaler = torch.amp.GradScaler("cuda", enabled=self._dtype == torch.float16)
        sampling, size = recipe.sampling, self._model.preprocessing
        self.images = sampling.places_per_batch * sampling.images_per_place
        self._places = torch.arange(sampling.places_per_batch, device="cuda").repeat_interleave(
            sampling.images_per_place
        )
        self._batch = torch.rand(self.images, 3, size.height, size.width, device="cuda")

    def __call__(self) -> tuple[float, float, bool]:
        """Makes a step; returns the milliseconds of augmentation and of the rest, and whether the loss is finite."""
        events = [torch.cuda.Event(enable_timing=True) for _ in range(3)]
        events[0].record()
        with torch.no_grad():
            images = self._model.standardize(self._augmentation(self._batch))
        events[1].record()
        with torch.autocast("cuda", self._dtype, enabled=self._dtype is not None):
            loss = self._loss(self._model(images), self._places)
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._optimizer.zero_grad()
        events[2].record()
        torch.cuda.synchronize()
        return events[0].elapsed_time(events[1]), events[1].elapsed_time(events[2]), bool(torch.isfinite(loss))


def measure(path: Path, repeats: int) -> Row:
    """Times a recipe's steps after two for warming up."""
    recipe = load_recipe(path)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    steps = Steps(recipe)
    times = [steps() for _ in range(repeats + 2)]
    return Row(
        path.stem,
        steps.images,
        recipe.trainer.precision,
        statistics.median(t[1] for t in times[2:]),
        statistics.median(t[0] for t in times[2:]),
        torch.cuda.max_memory_allocated() / 2**30,
        all(t[2] for t in times),
    )


def as_markdown(machine: str, rows: list[Row]) -> str:
    """The table, and what it was measured on."""
    lines = [
        "# Training steps on a GPU",
        "",
        machine,
        "",
        "| recipe | images | precision | step, ms | augmentation, ms | images/s "
        f"| {PLANNED_STEPS} steps, h | memory, GiB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        whole = row.step_ms + row.augment_ms
        lines.append(
            f"| {row.recipe} | {row.images} | {row.precision} | {row.step_ms:.0f} | {row.augment_ms:.0f} "
            f"| {row.images / whole * 1e3:.0f} | {whole * PLANNED_STEPS / 3.6e6:.2f} | {row.peak_gib:.1f} |"
        )
    if odd := [row.recipe for row in rows if not row.finite]:
        lines += ["", f"The loss of {', '.join(odd)} was not a finite number."]
    return "\n".join([*lines, ""])


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", type=Path)
    parser.add_argument("--repeats", type=int, default=8, help="timed steps of each recipe")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "training_gpu")
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("There is no NVIDIA GPU here; benchmarks/training_cost.py counts without one.")
    device = torch.cuda.get_device_properties(0)
    machine = f"{device.name}; torch {torch.__version__}. Written by `python benchmarks/training_speed.py`."
    rows: list[Row] = []
    for path in options.recipes:
        rows.append(measure(path, options.repeats))
        print(rows[-1], flush=True)
        keep(options.out, machine, rows, as_markdown(machine, rows))
    print(as_markdown(machine, rows))


if __name__ == "__main__":
    main()
