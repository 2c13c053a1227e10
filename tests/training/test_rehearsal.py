"""`--dev`: every recipe runs anywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from a2gc_training.data.generated import GeneratedSource
from a2gc_training.recipe import load_recipe
from a2gc_training.rehearsal import rehearsal
from a2gc_training.run import train
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError
from a2gc_ros.models import checkpoints

RECIPES = sorted((Path(__file__).resolve().parents[2] / "training" / "recipes").glob("*.yaml"))


@pytest.mark.slow
@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GSV_CITIES", "IE_TOWER", "A2GC_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    # Small images and a single block of the largest, for the sake of time; there are still more patches than clusters.
    large = path.stem.endswith(("vitl14", "vitg14"))
    recipe = load_recipe(path, ["model.image_size=[126, 126]", *(["model.options.depth=1"] if large else [])])
    cut = rehearsal(recipe)
    # What the recipe is about stays as it is.
    for section in ("name", "seed", "augmentation", "loss", "optimizer"):
        assert getattr(cut, section) == getattr(recipe, section)
    assert cut.model.name == recipe.model.name
    assert [section.name for section in cut.validation] == [section.name for section in recipe.validation]
    outcome = train(cut, tmp_path)
    assert checkpoints.restore(outcome.model).name == recipe.model.name
    assert set(outcome.after) == {section.name for section in recipe.validation}


def test_images_keep_their_size(repository: Path) -> None:
    cut = rehearsal(load_recipe(repository / "training" / "recipes" / "gsv_cities_gem_resnet50.yaml"))
    assert cut.model.image_size == (320, 320)
    (source,) = cut.train
    assert isinstance(source, GeneratedSource)
    assert (source.height, source.width) == (320, 320)


def test_what_does_not_fit_one_cpu_is_cut(tiny_recipe: dict[str, Any], repository: Path) -> None:
    recipe = load_recipe(
        repository / "training" / "recipes" / "gsv_cities_a2gc_vitg14.yaml",
        [
            *("trainer.devices=8", "trainer.nodes=4", "trainer.strategy=ddp", "sampling.from_one=city"),
            "distillation={weight: 1, teacher: salad-dinov2-vitb14, teacher_sees: original, compare: descriptors}",
            *("initialize.images=1000", "model.weights=gone.ckpt", "model.pretrained=true"),
        ],
    )
    cut = rehearsal(recipe)
    assert (cut.trainer.devices, cut.trainer.nodes, cut.trainer.strategy) == (1, 1, "auto")
    assert (cut.trainer.accelerator, cut.trainer.precision) == ("cpu", "bf16-mixed")
    assert cut.model.options["depth"] == 2
    assert cut.model.trainable_blocks == 1
    assert (cut.model.pretrained, cut.model.weights) == (False, None)
    assert cut.distillation.teacher is None
    assert cut.distillation.compare == "similarities"
    assert cut.sampling.from_one in cut.train[0].table().columns
    assert cut.initialize.images <= 48


@pytest.mark.slow
def test_the_command_says_what_it_is_and_keeps_nothing(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments = ["train", str(repository / "training" / "recipes" / "smoke.yaml"), "--dev"]
    result = CliRunner().invoke(app, [*arguments, "--json"])
    assert result.exit_code == 0, result.output
    assert "Dry run of smoke: rendered rooms stand in for its data" in result.stderr
    assert "Nothing was kept" in result.stderr
    assert json.loads(result.stdout)["recipe"] == "smoke"
    assert not list(tmp_path.iterdir())
    kept = CliRunner().invoke(app, [*arguments, "--out", "dry"])
    assert kept.exit_code == 0, kept.output
    assert (tmp_path / "dry" / "smoke.safetensors").is_file()
    assert isinstance(CliRunner().invoke(app, [*arguments, "--resume"]).exception, ConfigError)
