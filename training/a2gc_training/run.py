"""One training run: a recipe in, a model file and its numbers out."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as lightning
import torch
import yaml
from pytorch_lightning.callbacks import EMAWeightAveraging, LearningRateMonitor, ModelCheckpoint, RichProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from a2gc_ros import models
from a2gc_ros.errors import ConfigError
from a2gc_ros.models import checkpoints
from a2gc_ros.models.place_model import PlaceModel
from a2gc_training.augmentation import Augmentation
from a2gc_training.callbacks import RecallWatch
from a2gc_training.config import differences, read_yaml, to_mapping
from a2gc_training.data.module import PlacesDataModule, ValidationSet, load_validation
from a2gc_training.data.places import PlacesDataset, load_places
from a2gc_training.data.validation import refuse_shared_images
from a2gc_training.losses import Distillation, MetricLoss
from a2gc_training.module import PlaceTraining
from a2gc_training.recall import DEFAULT_KS, Recall
from a2gc_training.recipe import DistillationSection, ModelSection, Recipe

RECIPE_FILE = "recipe.yaml"

MAY_CHANGE_ON_RESUME = (
    *("trainer.epochs", "trainer.accelerator", "trainer.devices", "trainer.nodes", "trainer.strategy"),
    *("trainer.workers", "trainer.validation_batch", "trainer.log_every"),
)


@dataclass(frozen=True)
class Outcome:
    """What a run leaves.

    Attributes:
        model: The model file.
        before: Recall of each validation set before the first step.
        after: Recall of each with the weights that were kept.
    """

    model: Path
    before: dict[str, Recall]
    after: dict[str, Recall]


def build_model(section: ModelSection) -> PlaceModel:
    """The model a recipe starts from; raises ModelError, CheckpointError or DownloadError."""
    model = models.build(
        section.name,
        image_size=section.image_size,
        pretrained=section.pretrained,
        trainable_blocks=section.trainable_blocks,
        **section.options,
    )
    if section.weights is not None:
        checkpoints.load(model, Path(section.weights).expanduser(), section.layout, may_lack=section.may_lack)
    return model


def build_distillation(section: DistillationSection, student: PlaceModel) -> Distillation | None:
    """What keeps the student near its teacher, by default itself as it is now; None when its weight is 0."""
    if section.weight == 0:
        return None
    if section.teacher is None:
        return Distillation(section, copy.deepcopy(student))
    teacher = build_model(
        ModelSection(
            section.teacher,
            pretrained=section.teacher_weights is None,
            weights=section.teacher_weights,
            layout=section.teacher_layout,
            options=section.teacher_options,
        )
    )
    return Distillation(section, teacher)


def initialise_head(model: PlaceModel, training: PlacesDataset, images: int, *, seed: int = 0, batch: int = 32) -> None:
    """Starts the aggregator from training images, drawn evenly over the set and without augmentation.

    Args:
        model: The model; its aggregator is changed.
        training: The training set.
        images: How many images.
        seed: Seed of the draw.
        batch: Images at a time.

    Raises:
        ModelError: The aggregator has no such start, or there are too few images for it.
    """
    used = np.unique(np.concatenate(training.places.members))
    rows = np.random.default_rng(seed).permutation(used)[:images]

    def batches() -> Iterator[Tensor]:
        for first in range(0, len(rows), batch):
            stacked = np.stack([training.image(int(row)) for row in rows[first : first + batch]])
            yield model.normalise(torch.from_numpy(stacked))

    model.initialise_from(batches())
    model.train()


def train(recipe: Recipe, out: Path, *, resume: bool = False) -> Outcome:
    """Trains a recipe.

    Args:
        recipe: The recipe.
        out: Folder of everything the run leaves: the resolved recipe, logs, checkpoints, ``NAME.safetensors`` and
            ``summary.json``.
        resume: Continue from the folder's last checkpoint.

    Returns:
        Where the model is and what it reaches.

    Raises:
        A2gcError: The recipe, its data or its weights are at fault.
    """
    last = _resumable(recipe, out) if resume else None
    _begin(recipe, out, resume=resume)
    lightning.seed_everything(recipe.seed, verbose=False)
    model = build_model(recipe.model)
    training = load_places(recipe.train, model.preprocessing)
    sets = [load_validation(section, model.preprocessing) for section in recipe.validation]
    refuse_shared_images(training.tables, [item.images.table for item in sets])
    data = _data(recipe, training, sets)
    data.sampler()
    if recipe.initialise.images:
        initialise_head(model, training, recipe.initialise.images, seed=recipe.seed)
    module = PlaceTraining(
        model,
        MetricLoss(recipe.loss),
        Augmentation(recipe.augmentation),
        recipe.optimiser,
        build_distillation(recipe.distillation, model),
    )
    watch = RecallWatch(sets)
    keep = _keeper(recipe, out)
    trainer = _trainer(recipe, out, [watch, *_averaging(recipe), keep])
    before: dict[str, Recall] = {}
    if sets and last is None:
        trainer.validate(module, data, verbose=False)
        before = dict(watch.latest)
    trainer.fit(module, data, ckpt_path=last, weights_only=True)
    best = Path(keep.best_model_path or keep.last_model_path)
    file = out / f"{recipe.name}.safetensors"
    if sets:
        trainer.validate(module, data, ckpt_path=best, verbose=False, weights_only=True)
    outcome = Outcome(file, before, dict(watch.latest))
    _finish(recipe, outcome, best)
    return outcome


def _resumable(recipe: Recipe, out: Path) -> Path:
    """The checkpoint to resume from; refuses a recipe other than the one the run was started with."""
    last = out / "checkpoints" / "last.ckpt"
    if not last.is_file():
        raise ConfigError(f"There is no run to resume in {out}: {last} is missing; leave out --resume.")
    changed = [
        name
        for name in differences(read_yaml(out / RECIPE_FILE), to_mapping(recipe))
        if name not in MAY_CHANGE_ON_RESUME
    ]
    if changed:
        raise ConfigError(
            f"The run in {out} was started with another `{changed[0]}`; resume it with the same recipe, or begin a new "
            "one with --out."
        )
    return last


@rank_zero_only
def _begin(recipe: Recipe, out: Path, *, resume: bool) -> None:
    """Writes the resolved recipe, unless the folder already holds a run that is not to be resumed."""
    if not resume and (out / "checkpoints").exists():
        raise ConfigError(f"{out} already holds a run; continue it with --resume, or choose another --out.")
    out.mkdir(parents=True, exist_ok=True)
    text = yaml.safe_dump(to_mapping(recipe), sort_keys=False)
    (out / RECIPE_FILE).write_text(text, encoding="utf-8")


def _data(recipe: Recipe, training: PlacesDataset, sets: list[ValidationSet]) -> PlacesDataModule:
    return PlacesDataModule(
        training,
        sets,
        recipe.sampling,
        validation_batch=recipe.trainer.validation_batch,
        workers=recipe.trainer.workers,
        seed=recipe.seed,
    )


def _keeper(recipe: Recipe, out: Path) -> ModelCheckpoint:
    """Keeps the epoch with the best recall, and the last one."""
    names = [section.name for section in recipe.validation]
    monitor = recipe.trainer.monitor or (f"{names[0]}/recall@1" if names else None)
    if monitor is not None:
        known = [f"{name}/recall@{k}" for name in names for k in DEFAULT_KS]
        if monitor not in known:
            raise ConfigError(
                f"The recipe entry `trainer.monitor` is {monitor!r}; choose from {', '.join(known) or 'none'}."
            )
    return ModelCheckpoint(
        out / "checkpoints",
        filename="best",
        monitor=monitor,
        mode="max",
        save_last=True,
        save_top_k=1,
        auto_insert_metric_name=False,
        enable_version_counter=False,
    )


def _averaging(recipe: Recipe) -> list[lightning.Callback]:
    decay = recipe.trainer.average_decay
    return [EMAWeightAveraging(decay=decay)] if decay else []


def _trainer(recipe: Recipe, out: Path, callbacks: list[lightning.Callback]) -> lightning.Trainer:
    section = recipe.trainer
    callbacks = [*callbacks, LearningRateMonitor("step")]
    if sys.stderr.isatty():
        callbacks.append(RichProgressBar(console_kwargs={"stderr": True}))
    return lightning.Trainer(
        accelerator=section.accelerator,
        devices=section.devices,
        num_nodes=section.nodes,
        strategy=section.strategy,
        precision=section.precision,
        max_epochs=section.epochs,
        gradient_clip_val=section.gradient_clip or None,
        log_every_n_steps=section.log_every,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        inference_mode=False,
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        callbacks=callbacks,
        default_root_dir=out,
        logger=[CSVLogger(out, name="csv"), TensorBoardLogger(out, name="tensorboard")],
    )


@rank_zero_only
def _finish(recipe: Recipe, outcome: Outcome, best: Path) -> None:
    """Writes the model file and the summary."""
    checkpoints.save(checkpoints.restore(best), outcome.model, recipe=recipe.name, seed=str(recipe.seed))
    summary = {
        "recipe": recipe.name,
        "model": outcome.model.name,
        "before": {name: _numbers(recall) for name, recall in outcome.before.items()},
        "after": {name: _numbers(recall) for name, recall in outcome.after.items()},
    }
    (outcome.model.parent / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")


def _numbers(recall: Recall) -> dict[str, Any]:
    numbers: dict[str, Any] = {"queries": len(recall.hits), "answerable": int(recall.answerable.sum())}
    for k in recall.ks:
        interval = recall.interval(k)
        numbers[f"recall@{k}"] = [round(value, 4) for value in (interval.value, interval.low, interval.high)]
    return numbers
