"""What each part of the model is worth: variants that differ in nothing else, several seeds each.

    IE_TOWER=... TOWNS=... A2GC_WEIGHTS=... python benchmarks/ablation.py DATA OUT [--towns TOWN.mcap ...]

DATA holds ie_tower/ and robot_run/ as place_protocols.py says; training/recipes/a2gc-mobilenetv2.yaml says what the
variables name. There are three ways to a head: *from-data*, as that recipe sets the head of the model that ships and
then takes ten gradient steps; *continued*, the same with 300 larger ones; and *trained*, from a random start by
training/recipes/ablation.yaml. The backbone is frozen, so its features of every image, and of a few augmented views of
each, are worked out once; all variants of a seed see the same ones in the same order. OUT keeps features and runs: a
second call does only what is missing.

Values are means over the seeds with 95 % bootstraps over clips; beside a difference stand the lowest and the highest of
the single seeds.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from a2gc_training.augmentation import Augmentation
from a2gc_training.data.places import load_places
from a2gc_training.recipe import Recipe, load_recipe
from a2gc_training.run import build_model
from frozen_features import (
    VIEWS,
    FrozenBackbone,
    FrozenFeatures,
    as_they_are,
    describe,
    keep,
    start_from_data,
    train_head,
    with_views,
)
from place_protocols import RobotRun, Scores, Tower, Town, average

from a2gc_ros.models import PlaceModel, build, checkpoints
from a2gc_ros.models.aggregators.a2gc import A2GC
from a2gc_ros.models.aggregators.projected import Projected

RECIPES = Path(__file__).resolve().parents[1] / "training" / "recipes"

WAYS: dict[str, tuple[str, tuple[str, ...]]] = {
    "from-data": ("a2gc-mobilenetv2.yaml", ()),
    "continued": ("a2gc-mobilenetv2.yaml", ("sampling.steps_per_epoch=300", "optimizer.lr=1e-3")),
    "trained": ("ablation.yaml", ()),
}
"""The recipe of each way to a head, and what changes in it."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "A²GC": (),
    "without geometry": ("model.options.geometry=false",),
    "without asymmetry": ("model.options.asymmetric=false",),
    "SALAD": ("model.name=salad-mobilenetv2",),
    "GeM": ("model.name=gem-mobilenetv2",),
}
"""Entries of the recipe that each variant replaces; GeM has no option of A²GC's and is projected to its dimensions."""

UNTRAINED = "GeM, untrained"
"""GeM over the backbone as it is, 1280 dimensions: what all of them are worth."""

Sets = Mapping[str, Tower | RobotRun | Town]


@dataclass(frozen=True)
class Run:
    """One training.

    Attributes:
        way: Key of `WAYS`.
        variant: Key of `VARIANTS`, or `UNTRAINED`.
        seed: Seed of the start, of the order and of dropout.
    """

    way: str
    variant: str
    seed: int

    def recipe(self) -> Recipe:
        """What is trained."""
        name, changes = WAYS[self.way]
        recipe = load_recipe(RECIPES / name, [*changes, *VARIANTS[self.variant], f"seed={self.seed}"])
        if self.variant != "GeM":
            return recipe
        ours = build_model(load_recipe(RECIPES / name, ["model.pretrained=false"]).model)
        return replace(recipe, model=replace(recipe.model, options={"projection": ours.descriptor_dim}))

    def model(self, out: Path) -> PlaceModel:
        """The model, trained now or by an earlier call."""
        if self.variant == UNTRAINED:
            return build("gem-mobilenetv2", pretrained="backbone").eval()
        file = out / self.way / f"{self.variant.replace(' ', '-')}-{self.seed}.safetensors"
        if not file.is_file():
            file.parent.mkdir(parents=True, exist_ok=True)
            checkpoints.save(self._train(out), file)
        return checkpoints.restore(file)

    def _train(self, out: Path) -> PlaceModel:
        recipe = self.recipe()
        torch.manual_seed(recipe.seed)
        model = build_model(recipe.model).eval()
        data = load_places(recipe.train, model.preprocessing)
        features = FrozenFeatures(_features(out, "training", model))
        if recipe.initialize.images:
            start_from_data(recipe, model, features, len(data))
        train_head(recipe, model, features, data)
        return model


def main() -> None:
    """Trains and judges what is missing, and prints two tables for each way and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with ie_tower/ and robot_run/")
    parser.add_argument("out", type=Path, help="folder of features and runs")
    parser.add_argument("--towns", type=Path, nargs="*", default=[], help="recordings of a2gc simulate")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    tower, run = Tower(arguments.data / "ie_tower"), RobotRun(arguments.data / "robot_run")
    sets = {"tower": tower, "robot_run": run, **{path.stem: Town(path) for path in arguments.towns}}
    _look_at_images(sets, arguments.out)
    for way in arguments.ways:
        models = {
            variant: [Run(way, variant, seed).model(arguments.out) for seed in arguments.seeds]
            for variant in (*arguments.variants, UNTRAINED)
        }
        scores = {
            variant: [_judged(model, sets, arguments.out) for model in seeds] for variant, seeds in models.items()
        }
        dimensions = {variant: seeds[0].descriptor_dim for variant, seeds in models.items()}
        print(f"\n{way}, seeds {arguments.seeds}, dimensions {dimensions}")
        for variant, seeds in models.items():
            _show_geometry(variant, seeds, arguments.out)
        for measure in dict.fromkeys(score.measure for score in next(iter(scores.values()))[0]):
            _show(measure, scores)


def _features(out: Path, name: str, model: PlaceModel) -> Path:
    """The folder of what the model's backbone made of the images of a set."""
    options = sorted(model.architecture.backbone_options.items())
    return out / "features" / name / "-".join(f"{key}{value}" for key, value in options)


def _look_at_images(sets: Sets, out: Path) -> None:
    """Runs both backbones over the images of all sets, but for those where an earlier call has."""
    recipe = Run("trained", "A²GC", 0).recipe()
    models = [build_model(recipe.model), build_model(Run("trained", "GeM", 0).recipe().model)]
    for name in ("training", *sets):
        folders = [_features(out, name, model) for model in models]
        if all((folder / "tokens.npy").is_file() for folder in folders):
            continue
        backbones = {folder: FrozenBackbone(model) for folder, model in zip(folders, models, strict=True)}
        if name == "training":
            data = load_places(recipe.train, models[0].preprocessing, keep=True)
            views = with_views(models[0], data, Augmentation(recipe.augmentation))
            keep(backbones, views, (1 + VIEWS) * len(data))
        else:
            keep(backbones, as_they_are(models[0], sets[name].images()), len(sets[name]))


def _judged(model: PlaceModel, sets: Sets, out: Path) -> list[Scores]:
    found = {name: describe(model, FrozenFeatures(_features(out, name, model))) for name in sets}
    return [score for name, descriptors in found.items() for score in sets[name].scores(descriptors)]


@torch.inference_mode()
def _show_geometry(variant: str, seeds: Sequence[PlaceModel], out: Path) -> None:
    """Prints how much geometry moves the scores of clusters, beside what the features do."""
    heads = [model.aggregator.agg if isinstance(model.aggregator, Projected) else model.aggregator for model in seeds]
    for model, head in zip(seeds, heads, strict=True):
        if isinstance(head, A2GC) and head.geometry:
            maps = FrozenFeatures(_features(out, "robot_run", model))[:].map
            bias = head.geometric_bias(*maps.shape[-2:])
            ours, theirs = bias.std(dim=1).mean(), (head.scores(maps) - bias).std(dim=2).mean()
            print(f"{variant}: over an image, geometry moves a score by {ours:.4f}, its features by {theirs:.3f} (std)")


def _show(measure: str, scores: Mapping[str, Sequence[Sequence[Scores]]]) -> None:
    """Prints the means of the variants, and what the first has over each other, a row for each protocol."""
    chosen = {
        name: [[score for score in run if score.measure == measure] for run in runs] for name, runs in scores.items()
    }
    means = {name: [average(seeds) for seeds in zip(*runs, strict=True)] for name, runs in chosen.items()}
    ours, *others = means
    rows = [f"{score.protocol} ({len(score.values)})" for score in means[ours]]
    _table(measure, rows, {name: [str(score.interval()) for score in found] for name, found in means.items()})
    margins = {
        f"less {name}": [_margin(chosen[ours], chosen[name], row) for row in range(len(rows))] for name in others
    }
    _table(f"{measure} of {ours}", rows, margins)


def _margin(ours: Sequence[Sequence[Scores]], theirs: Sequence[Sequence[Scores]], row: int) -> str:
    """The mean difference with its interval, and those of the single seeds."""
    pairs = [(mine[row], other[row]) for mine, other in zip(ours, theirs, strict=True)]
    margin = average([mine for mine, _ in pairs]).margin_over(average([other for _, other in pairs]))
    single = [float((mine.values - other.values).mean()) for mine, other in pairs]
    # An added zero turns -0.000 into 0.000.
    value, low, high, least, most = (
        round(number, 3) + 0.0 for number in (margin.value, margin.low, margin.high, min(single), max(single))
    )
    return f"{value:+.3f} [{low:+.3f}, {high:+.3f}]; {least:+.3f} to {most:+.3f}"


def _table(title: str, rows: Sequence[str], columns: Mapping[str, Sequence[str]]) -> None:
    print(f"\n| {title} | {' | '.join(columns)} |\n|{'---|' * (len(columns) + 1)}")
    for row, cells in zip(rows, zip(*columns.values(), strict=True), strict=True):
        print(f"| {row} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
