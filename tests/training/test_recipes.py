"""The recipes that come with the project."""

from __future__ import annotations

from pathlib import Path

import pytest
from a2gc_training.data.benchmarks import BenchmarkSource
from a2gc_training.data.sources import FolderSource, GeneratedSource, GsvCitiesSource
from a2gc_training.losses import MetricLoss
from a2gc_training.recipe import Recipe, load_recipe
from a2gc_training.run_folder import checkpoint_keepers

from a2gc_ros.errors import ConfigError
from a2gc_ros.models import named

RECIPES = sorted((Path(__file__).resolve().parents[2] / "training" / "recipes").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_holds_together(path: Path, tmp_path: Path) -> None:
    recipe = load_recipe(path)
    named(recipe.model.name)
    MetricLoss(recipe.loss)
    checkpoint_keepers(recipe, tmp_path)
    assert recipe.sampling.min_images <= recipe.sampling.images_per_place


def recipe(stem: str) -> Recipe:
    return load_recipe(next(path for path in RECIPES if path.stem == stem))


def test_the_papers_recipe_is_the_papers() -> None:
    found = recipe("gsv_cities_a2gc_vitb14")
    assert (found.sampling.places_per_batch, found.sampling.images_per_place) == (60, 4)
    optimizer = found.optimizer
    assert (optimizer.lr, optimizer.weight_decay, optimizer.end_factor, optimizer.total_iters) == (
        *(6e-5, 9.5e-9, 0.2, 4000),
    )
    assert (found.model.image_size, found.model.trainable_blocks) == ((224, 224), 4)
    assert (found.trainer.epochs, found.trainer.precision) == (4, "16-mixed")
    assert found.loss.options == {"alpha": 1.0, "beta": 50.0, "base": 0.0}
    assert found.loss.miner_options == {"epsilon": 0.1}


@pytest.mark.parametrize("path", [path for path in RECIPES if "gsv" in path.stem], ids=lambda path: path.stem)
def test_what_trains_on_gsv_cities_draws_and_validates_as_published(path: Path) -> None:
    found = load_recipe(path)
    (training,), (validation,) = found.train, found.validation
    assert isinstance(training, GsvCitiesSource)
    assert not training.without
    assert found.sampling.from_one == "city"
    assert validation.source == BenchmarkSource("pitts30k_val", root=training.root)


def test_smoke_needs_no_data_and_places_names_two_folders() -> None:
    assert all(isinstance(source, GeneratedSource) for source in recipe("smoke").train)
    (training,), (validation,) = recipe("places").train, recipe("places").validation
    assert isinstance(training, FolderSource)
    assert isinstance(validation.source, FolderSource)
    assert training.root != validation.source.root


def test_the_former_names_of_sections_go_on_working_and_say_so(tmp_path: Path, caplog) -> None:
    base, file = tmp_path / "base.yaml", tmp_path / "mine.yaml"
    smoke = (RECIPES[0].parent / "smoke.yaml").read_text(encoding="utf-8")
    base.write_text(smoke.replace("optimizer:", "optimiser:") + "initialise: {images: 8}\n", encoding="utf-8")
    file.write_text("extends: base.yaml\noptimizer: {warmup_iters: 2}\n", encoding="utf-8")
    found = load_recipe(file, ["optimiser.weight_decay=0.5"])
    assert (found.optimizer.lr, found.optimizer.warmup_iters, found.optimizer.weight_decay) == (1e-3, 2, 0.5)
    assert found.initialize.images == 8
    assert "`initialise` in a recipe is now `initialize`" in caplog.text
    file.write_text("extends: base.yaml\noptimizer: {}\noptimiser: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="both `optimizer` and its former name `optimiser`"):
        load_recipe(file)


@pytest.mark.parametrize(
    ("assignment", "sentence"),
    [
        ("optimser.lr=1", "`optimser` is unknown; did you mean `optimizer`?"),
        ("optimizer.lr=fast", "`optimizer.lr` must be a number, but is 'fast'"),
        ("optimizer.lr=-1", "`optimizer`: lr must be above 0"),
        ("train=[]", "train lists no source"),
        ("train.0.kind=generate", "did you mean `generated`?"),
        ("train.0.places=0", "`train.0`: places must be at least 1"),
        ("sampling.images_per_place=1", "there are no positives"),
        ("trainer.precision=16", "`trainer.precision` must be one of 32-true, 16-mixed, bf16-mixed"),
        ("validation.0.name=a/b", "without a slash"),
    ],
)
def test_a_slip_is_named(assignment: str, sentence: str) -> None:
    path = next(path for path in RECIPES if path.stem == "smoke")
    with pytest.raises(ConfigError) as caught:
        load_recipe(path, [assignment])
    assert sentence in str(caught.value)
