"""Whole runs, on rooms so small that an epoch takes a second."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from a2gc_training.augmentation import Augmentation
from a2gc_training.config import from_mapping
from a2gc_training.losses import MetricLoss
from a2gc_training.module import LinearDecay, PlaceTraining
from a2gc_training.recipe import Recipe, load_recipe
from a2gc_training.run import build_model, initialize_head, train
from a2gc_training.sections import InitializeSection
from safetensors.torch import load_file
from typer.testing import CliRunner

from a2gc_ros.cli.main import app
from a2gc_ros.errors import ConfigError
from a2gc_ros.models import checkpoints


def recipe(values: dict[str, Any], **changes: Any) -> Recipe:
    """The recipe with dotted entries changed; double underscores stand for dots."""
    merged = json.loads(json.dumps(values))
    for key, value in changes.items():
        *path, last = key.split("__")
        node = merged
        for name in path:
            node = node.setdefault(name, {})
        node[last] = value
    return from_mapping(Recipe, merged)


def column(folder: Path, name: str) -> list[float]:
    """All values of a logged quantity, in order, over all runs in a folder."""
    found = []
    for file in sorted(folder.glob("csv/version_*/metrics.csv")):
        with file.open(newline="") as stream:
            found += [float(row[name]) for row in csv.DictReader(stream) if row.get(name)]
    return found


def test_a_run_leaves_a_model_that_stands_alone(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    outcome = train(recipe(tiny_recipe), tmp_path / "run")
    assert outcome.model == tmp_path / "run" / "tiny.safetensors"
    model = checkpoints.restore(outcome.model)
    assert model.descriptor_dim == 2 * 8 + 8
    assert (tmp_path / "run" / "checkpoints" / "best.ckpt").is_file()
    # The checkpoint holds the model's weights alone, and reads back as the model too.
    best = checkpoints.restore(tmp_path / "run" / "checkpoints" / "best.ckpt")
    assert all(torch.equal(value, best.state_dict()[name]) for name, value in model.state_dict().items())
    assert load_recipe(tmp_path / "run" / "recipe.yaml") == recipe(tiny_recipe)
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    value, low, high = summary["after"]["rooms"]["recall@1"]
    assert value == pytest.approx(outcome.after["rooms"].at(1), abs=1e-4)
    assert low <= value <= high
    assert summary["after"]["rooms"]["queries"] == 12
    assert column(tmp_path / "run", "rooms/recall@1")[-1] == pytest.approx(value, abs=1e-4)
    assert len(column(tmp_path / "run", "train/loss_step")) == 2
    assert list((tmp_path / "run" / "tensorboard").rglob("events.*"))


@pytest.mark.slow
def test_a_resumed_run_ends_where_an_uninterrupted_one_does(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    # What is drawn at random: augmentation, RandAugment and dropout.
    changes = {
        "augmentation": {"yaw_deg": 5, "brightness": 0.2, "noise": 0.1, "rand_augment": 2},
        "model__options": {**tiny_recipe["model"]["options"], "hidden": 8, "dropout": 0.3},
    }
    train(recipe(tiny_recipe, trainer__epochs=3, **changes), tmp_path / "whole")
    train(recipe(tiny_recipe, trainer__epochs=1, **changes), tmp_path / "parts")
    train(recipe(tiny_recipe, trainer__epochs=3, **changes), tmp_path / "parts", resume=True)
    whole, parts = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True) for name in ("whole", "parts")
    )
    assert whole["global_step"] == parts["global_step"] == 6
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, parts["state_dict"][name]), name
    assert column(tmp_path / "whole", "train/loss_step") == column(tmp_path / "parts", "train/loss_step")


def test_images_in_parts_have_the_gradient_of_the_whole_batch(tiny_recipe: dict[str, Any]) -> None:
    options = {**tiny_recipe["model"]["options"], "hidden": 8, "dropout": 0.0}
    settings = recipe(tiny_recipe, model__options=options)
    torch.manual_seed(0)
    model = build_model(settings.model)
    model.backbone.set_trainable_blocks(0)
    images, places = torch.randn(12, 3, 32, 48), torch.arange(12) % 4
    gradients = []
    for at_once in (None, 5):
        part = recipe(tiny_recipe, model__options=options, trainer__images_at_once=at_once)
        module = PlaceTraining(model, part, Augmentation(settings.augmentation))
        model.zero_grad()
        module.loss(module._pass(images)[1], places).backward()
        gradients.append([weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
    assert len(gradients[0]) == len(gradients[1]) > 5
    for whole, parts in zip(*gradients, strict=True):
        torch.testing.assert_close(parts, whole, atol=1e-7, rtol=1e-4)


def test_batch_statistics_of_a_part_are_refused(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="batch norms that train"):
        train(recipe(tiny_recipe, trainer__images_at_once=4), tmp_path / "all")
    train(recipe(tiny_recipe, trainer__images_at_once=3, model__trainable_blocks=0), tmp_path / "frozen")


@pytest.mark.parametrize("where", ["loss", "descriptor"])
def test_what_is_not_finite_stops_the_run_and_names_the_step(
    where: str, tiny_recipe: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def broken(self: MetricLoss, descriptors: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 2 and where == "descriptor":
            descriptors.data[0, 0] = float("inf")
        return descriptors[:, 0].mean() * (float("nan") if len(calls) == 2 and where == "loss" else 1.0)

    monkeypatch.setattr(MetricLoss, "forward", broken)
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(tiny_recipe))
    result = CliRunner().invoke(app, ["train", str(file), "--out", str(tmp_path / "run")])
    assert result.exit_code == 1
    assert "not finite at step 2" in result.output
    assert not (tmp_path / "run" / "tiny.safetensors").exists()


def test_resuming_and_starting_over_are_told_apart(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no run to resume"):
        train(recipe(tiny_recipe), tmp_path, resume=True)
    train(recipe(tiny_recipe), tmp_path)
    with pytest.raises(ConfigError, match="already holds a run"):
        train(recipe(tiny_recipe), tmp_path)
    with pytest.raises(ConfigError, match=r"started with another `optimizer\.lr`"):
        train(recipe(tiny_recipe, optimizer__lr=0.5), tmp_path, resume=True)


@pytest.mark.slow
def test_everything_at_once(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    """Start from data, distillation, augmentation, averaged weights, another loss, low precision, two sources."""
    outcome = train(
        recipe(
            tiny_recipe,
            train=[*tiny_recipe["train"], {**tiny_recipe["train"][0], "seed": 9}],
            sampling__from_one="room",
            sampling__places_per_batch=2,
            initialize__images=24,
            model__trainable_blocks=1,
            distillation={"weight": 0.5, "teacher_sees": "viewpoint"},
            augmentation={"yaw_deg": 5, "brightness": 0.2, "gray": 0.2, "rand_augment": 1},
            loss={"name": "circle", "options": {}, "miner": None},
            optimizer={"lr": 1e-3, "backbone_lr": 1e-4, "warmup_iters": 2},
            trainer__precision="bf16-mixed",
            trainer__average_decay=0.5,
            trainer__workers=1,
            trainer__gradient_clip=1.0,
        ),
        tmp_path,
    )
    checkpoints.restore(outcome.model)
    assert all(value > 0 for value in column(tmp_path, "train/distillation")[1:])
    rates = column(tmp_path, "lr-AdamW/backbone"), column(tmp_path, "lr-AdamW/head")
    assert [head / backbone for backbone, head in zip(*rates, strict=True)] == pytest.approx([10] * len(rates[0]))
    assert rates[0][0] < rates[0][1] < rates[0][2]


def test_only_the_last_blocks_and_the_head_move(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    settings = recipe(tiny_recipe, model__trainable_blocks=1, trainer__epochs=1)
    torch.manual_seed(0)
    train(settings, tmp_path)
    import pytorch_lightning as lightning

    lightning.seed_everything(settings.seed, verbose=False)
    before = build_model(settings.model).state_dict()
    after = load_file(tmp_path / "tiny.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    trainable = {name for name, p in build_model(settings.model).named_parameters() if p.requires_grad}
    statistics = {name for name in before if "running" in name or "num_batches" in name}
    assert moved <= trainable | statistics
    assert not any(name.startswith(("backbone.conv1", "backbone.bn1")) for name in moved)


def test_a_head_starts_from_the_data(tiny_recipe: dict[str, Any]) -> None:
    from a2gc_training.data.places import load_places

    settings = recipe(tiny_recipe)
    torch.manual_seed(0)
    model = build_model(settings.model)
    start = {name: value.clone() for name, value in model.state_dict().items()}
    initialize_head(model, load_places(settings.train, model.preprocessing), InitializeSection(images=24))
    moved = {name.split(".")[0] for name, value in model.state_dict().items() if not torch.equal(value, start[name])}
    assert moved == {"aggregator"}
    assert model.training


def test_whitening_and_contrast_reach_the_head(tiny_recipe: dict[str, Any]) -> None:
    from a2gc_training.data.places import load_places

    settings = recipe(tiny_recipe)
    heads = []
    for section in (InitializeSection(24), InitializeSection(24, whitening=1.0), InitializeSection(24, contrast=5.0)):
        torch.manual_seed(0)
        model = build_model(settings.model)
        initialize_head(model, load_places(settings.train, model.preprocessing), section)
        heads.append(model.aggregator.state_dict())
    plain, whitened, soft = heads
    assert not torch.equal(plain["cluster_features.0.weight"], whitened["cluster_features.0.weight"])
    assert torch.equal(plain["cluster_features.0.weight"], soft["cluster_features.0.weight"])
    assert not torch.equal(plain["score.0.weight"], soft["score.0.weight"])


def test_the_head_starts_from_augmented_views_too(tiny_recipe: dict[str, Any]) -> None:
    from a2gc_training.augmentation import Augmentation
    from a2gc_training.data.places import load_places
    from a2gc_training.sections import AugmentationSection

    settings = recipe(tiny_recipe)
    heads = []
    for views, brightness in ((0, 0.0), (1, 0.0), (1, 0.9)):
        torch.manual_seed(0)
        model = build_model(settings.model)
        images = load_places(settings.train, model.preprocessing)
        augmentation = Augmentation(AugmentationSection(brightness=brightness))
        initialize_head(model, images, InitializeSection(24, views=views), augmentation)
        heads.append(model.aggregator.state_dict()["cluster_features.0.bias"])
    plain, repeated, brighter = heads
    assert torch.allclose(plain.abs(), repeated.abs(), atol=1e-4)
    assert not torch.allclose(plain.abs(), brighter.abs(), atol=1e-3)


def test_a_set_that_is_trained_on_cannot_validate(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    shared = {"name": "shared", "source": tiny_recipe["train"][0]}
    with pytest.raises(ConfigError, match="24 images of the validation set"):
        train(recipe(tiny_recipe, validation=[shared]), tmp_path)


def test_an_unknown_monitor_is_refused(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="choose from rooms/recall@1, rooms/recall@5, rooms/recall@10"):
        train(recipe(tiny_recipe, trainer__monitor="room/recall@1"), tmp_path)


def test_without_validation_the_last_epoch_is_kept(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    outcome = train(recipe(tiny_recipe, validation=[]), tmp_path)
    assert outcome.after == {}
    checkpoints.restore(outcome.model)


def test_the_learning_rate_rises_then_falls_to_its_share() -> None:
    decay = LinearDecay(0.2, total=110, warmup=10)
    assert decay(0) == pytest.approx(0.01)
    assert decay(10) == 1
    assert decay(60) == pytest.approx(0.6)
    assert [decay(step) for step in (110, 500)] == pytest.approx([0.2, 0.2])
    # Without warm-up it is the LinearLR of torch.
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([parameter], lr=1.0)
    linear = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.2, 40)
    for step in range(50):
        assert LinearDecay(0.2, 40, 0)(step) == pytest.approx(linear.get_last_lr()[0])
        optimizer.step()
        linear.step()


@pytest.mark.slow
def test_two_processes_train_as_one_with_both_batches(tiny_recipe: dict[str, Any], tmp_path: Path) -> None:
    """Two gloo processes with two places each against one process with four: same loss, weights and recall."""
    values = {
        **tiny_recipe,
        "model": {
            "name": "a2gc-dinov2-vits14",
            "image_size": [28, 42],
            # No batch norm, whose statistics are those of a process's own batch.
            "options": {"depth": 2, "clusters": 2, "cluster_dim": 8, "token_dim": 8, "hidden": None},
            "trainable_blocks": 1,
        },
        "sampling": {**tiny_recipe["sampling"], "look_alikes": 1},
        "distillation": {"weight": 0.5, "compare": "similarities"},
        "trainer": {**tiny_recipe["trainer"], "epochs": 2},
    }
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump(values))
    command = [str(Path(sys.executable).with_name("a2gc")), "train", str(file), "--out", str(tmp_path / "two")]
    options = ("trainer.devices=2", "trainer.strategy=ddp", "sampling.places_per_batch=2")
    process = subprocess.run(
        [*command, *(word for option in options for word in ("--set", option))],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    train(recipe(values), tmp_path / "one")
    one, two = (load_file(tmp_path / name / "tiny.safetensors") for name in ("one", "two"))
    for name, value in one.items():
        assert torch.allclose(value, two[name], atol=2e-5), name
    for logged in ("train/loss_step", "rooms/recall@1"):
        assert column(tmp_path / "one", logged) == pytest.approx(column(tmp_path / "two", logged), abs=1e-5)
    assert process.stdout.count("Model:") == 1
