"""What each part of the shipped model is worth: variants trained alike, three seeds each.

    IE_TOWER=... TOWNS=... A2GC_WEIGHTS=... python benchmarks/ablation.py DATA OUT [--seeds 0 1 2]

DATA holds ie_tower/ and robot_run/ as place_protocols.py says; training/recipes/ablation.yaml says what the other
variables name. OUT keeps every run: a second call trains and judges only what is missing. Values are means over the
seeds, with 95 % bootstraps over clips; the spread is the lowest and the highest seed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from a2gc_training.recipe import load_recipe
from a2gc_training.run import train
from place_protocols import RobotRun, Scores, Tower, average
from shipped_model import gem, judge

from a2gc_ros.extract import Extractor, open_extractor

RECIPE = Path(__file__).resolve().parents[1] / "training" / "recipes" / "ablation.yaml"

VARIANTS: dict[str, tuple[str, ...]] = {
    "a2gc-mobilenetv2": (),
    "without geometry": ("model.options.geometry=false",),
    "without asymmetry": ("model.options.asymmetric=false",),
    "SALAD head": ("model.name=salad-mobilenetv2",),
    "GeM, whitened": (
        "model.name=gem-mobilenetv2",
        "model.options={projection: 512}",
    ),
}
"""Entries of the recipe that each variant replaces."""

UNTRAINED = "GeM, untrained"


def main() -> None:
    """Trains and judges what is missing, and prints one table for each protocol."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="folder with ie_tower/ and robot_run/")
    parser.add_argument("out", type=Path, help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    sets = [Tower(arguments.data / "ie_tower"), RobotRun(arguments.data / "robot_run")]
    with tempfile.TemporaryDirectory() as folder:
        outcomes = {UNTRAINED: [_judged(gem(Path(folder)), sets, arguments.out / "gem.npz")]}
    for seed in arguments.seeds:
        for name, changes in VARIANTS.items():
            run = arguments.out / f"{name.replace(',', '').replace(' ', '-')}-{seed}"
            model = _trained(changes, seed, run)
            outcomes.setdefault(name, []).append(_judged(open_extractor(model), sets, run / "scores.npz"))
    _show(outcomes)


def _trained(changes: Sequence[str], seed: int, run: Path) -> Path:
    recipe = load_recipe(RECIPE, [*changes, f"seed={seed}"])
    model = run / f"{recipe.name}.safetensors"
    if not model.is_file():
        train(recipe, run, resume=(run / "checkpoints" / "last.ckpt").is_file())
    return model


def _judged(extractor: Extractor, sets: Sequence[Tower | RobotRun], file: Path) -> list[Scores]:
    """The scores of a model, from the file where an earlier call left them."""
    if not file.is_file():
        scores = list(judge(extractor, sets))
        file.parent.mkdir(parents=True, exist_ok=True)
        arrays = {}
        for score in scores:
            arrays[f"{score.protocol}|{score.measure}|values"] = score.values
            arrays[f"{score.protocol}|{score.measure}|groups"] = score.groups
        np.savez(file, allow_pickle=False, **arrays)
    with np.load(file, allow_pickle=False) as kept:
        titles = dict.fromkeys(tuple(key.split("|")[:2]) for key in kept.files)
        return [
            Scores(*title, kept["|".join((*title, "values"))], kept["|".join((*title, "groups"))]) for title in titles
        ]


def _show(outcomes: dict[str, list[list[Scores]]]) -> None:
    means = {name: [average(seeds) for seeds in zip(*runs, strict=True)] for name, runs in outcomes.items()}
    ours = next(iter(VARIANTS))
    for index, score in enumerate(means[ours]):
        print(f"\n{score.protocol}, {score.measure}, {len(score.values)} queries\n")
        print("| variant | mean | spread of seeds | the shipped design less this |\n|---|---|---|---|")
        for name, found in means.items():
            seeds = [run[index].values.mean() for run in outcomes[name]]
            margin = "" if name == ours else str(score.margin_over(found[index]))
            print(f"| {name} | {found[index].interval()} | {min(seeds):.3f} to {max(seeds):.3f} | {margin} |")


if __name__ == "__main__":
    main()
