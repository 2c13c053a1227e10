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
from pytorch_lightning.callbacks import EMAWeightAveraging, LearningRateMonitor, RichProgressBar
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from a2gc_ros import models
from a2gc_ros.evaluation.recall import Recall
from a2gc_ros.extract import Extractor, open_extractor
from a2gc_ros.extract.pytorch.backend import TorchRuntime, spec_of
from a2gc_ros.models import checkpoints
from a2gc_ros.models.aggregator import DataStart
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.system.progress import progress_over
from a2gc_training.augmentation import Augmentation
from a2gc_training.callbacks import RecallWatch
from a2gc_training.data.module import PlacesDataModule, load_validation
from a2gc_training.data.places import PlacesDataset, load_places
from a2gc_training.data.validation import refuse_shared_images
from a2gc_training.distillation import Distillation, LiveTeacher, StoredTeacher
from a2gc_training.evaluate import describe, judge
from a2gc_training.look_alikes import LookAlikes
from a2gc_training.module import PlaceTraining
from a2gc_training.preemption import Preemption
from a2gc_training.recipe import Recipe
from a2gc_training.run_folder import begin, checkpoint_keepers, forget_requeues
from a2gc_training.sections import DistillationSection, InitializeSection, ModelSection
from a2gc_training.stored_descriptors import stored_descriptors

HEAD_BATCH = 32
"""Images at a time from which a head is started."""


@dataclass(frozen=True)
class TrainingResult:
    """What a run leaves: a model file, and each validation set's recall before the first step and at the end."""

    model: Path
    before: dict[str, Recall]
    after: dict[str, Recall]


def build_model(section: ModelSection) -> PlaceModel:
    """The model a recipe starts from; raises ModelError, CheckpointError or DownloadError."""
    model = models.build(
        section.name,
        image_size=section.image_size,
        backbone=section.backbone,
        aggregator=section.aggregator,
        pretrained=section.pretrained,
        trainable_blocks=section.trainable_blocks,
        **section.options,
    )
    if section.weights is not None:
        checkpoints.load(model, Path(section.weights).expanduser(), section.layout, may_lack=section.may_lack)
    return model


def build_distillation(
    section: DistillationSection, student: PlaceModel, training: PlacesDataset
) -> Distillation | None:
    """What keeps the student near its teacher, by default itself as it is now; None when its weight is 0.

    A teacher that sees the original images describes those that it has not described in an earlier run.
    """
    if section.weight == 0:
        return None
    if section.teacher_sees == "original":
        extractor = _open_teacher(section)
        known = [stored_descriptors(extractor, table) for table in training.tables]
        projected = section.compare == "descriptors" and extractor.spec.descriptor_dim != student.descriptor_dim
        return Distillation(section, StoredTeacher(known, student.descriptor_dim if projected else None))
    teacher = copy.deepcopy(student) if section.teacher is None else _build_teacher(section, section.teacher)
    return Distillation(section, LiveTeacher(teacher, features=section.compare == "features"))


def _build_teacher(section: DistillationSection, name: str) -> PlaceModel:
    return build_model(
        ModelSection(
            name,
            pretrained=section.teacher_weights is None,
            weights=section.teacher_weights,
            layout=section.teacher_layout,
            options=section.teacher_options,
        )
    )


def _open_teacher(section: DistillationSection) -> Extractor:
    """The named teacher as what runs fastest: an exported file, or PyTorch."""
    name = section.teacher or ""
    if section.teacher_weights is None and not section.teacher_options:
        return open_extractor(name)
    model = _build_teacher(section, name)
    return Extractor(spec_of(model, "unspecified"), TorchRuntime(model, "fp32", 0))


def initialize_head(
    model: PlaceModel,
    training: PlacesDataset,
    section: InitializeSection,
    augmentation: Augmentation | None = None,
    *,
    seed: int = 0,
) -> None:
    """Starts the aggregator from training images, drawn evenly over the set, and from augmented views of them.

    Args:
        model: The model; its aggregator is changed.
        training: The training set.
        section: How many images and views, and how the head starts from them.
        augmentation: What makes the views; without it the images alone are looked at.
        seed: Of the draw and of the k-means start.

    Raises:
        ModelError: The aggregator has no such start, or there are too few images for it.
    """
    used = np.unique(np.concatenate(training.places.members))
    rows = np.random.default_rng(seed).permutation(used)[: section.images]

    def batches() -> Iterator[Tensor]:
        for first in progress_over(range(0, len(rows), HEAD_BATCH), "Starting the head from images"):
            stacked = torch.stack([training.images[int(row)][0] for row in rows[first : first + HEAD_BATCH]])
            yield model.normalize(stacked)
            if augmentation is not None:
                for _ in range(section.views):
                    yield model.standardize(augmentation(stacked.permute(0, 3, 1, 2).float() / 255))

    model.initialize_from(batches(), DataStart(section.contrast, section.whitening, seed))
    model.train()


def train(recipe: Recipe, out: Path, *, resume: bool = False) -> TrainingResult:
    """Trains a recipe.

    Args:
        recipe: The recipe.
        out: Folder of everything the run leaves: the resolved recipe, logs, checkpoints, ``NAME.safetensors`` and
            ``summary.json``.
        resume: Continue from the folder's last checkpoint. A job that SLURM has requeued does so by itself.

    Raises:
        A2gcError: The recipe, its data or its weights are at fault.
    """
    last = begin(recipe, out, resume=resume)
    lightning.seed_everything(recipe.seed, verbose=False)
    model = build_model(recipe.model)
    keep = recipe.trainer.keep_images
    training = load_places(recipe.train, model.preprocessing, keep=keep)
    sets = [load_validation(section, model.preprocessing, keep=keep) for section in recipe.validation]
    refuse_shared_images(training.tables, [item.images.table for item in sets])
    data = PlacesDataModule(training, sets, recipe.sampling, recipe.trainer, seed=recipe.seed)
    data.sampler()
    augmentation = Augmentation(recipe.augmentation)
    if recipe.initialize.images:
        initialize_head(model, training, recipe.initialize, augmentation, seed=recipe.seed)
    module = PlaceTraining(model, recipe, augmentation)
    keepers = checkpoint_keepers(recipe, out)
    # After them, as a teacher may describe every image first: a wrong loss or monitor is refused before.
    module.distillation = build_distillation(recipe.distillation, model, training)
    watch = RecallWatch(sets)
    callbacks: list[lightning.Callback] = [watch]
    if recipe.sampling.look_alikes:
        callbacks.append(LookAlikes(data, recipe))
    if recipe.trainer.average_decay:
        callbacks.append(EMAWeightAveraging(decay=recipe.trainer.average_decay))
    trainer = _trainer(recipe, out, [*callbacks, *keepers])
    before: dict[str, Recall] = {}
    if sets and last is None:
        trainer.validate(module, data, verbose=False)
        before = dict(watch.latest)
    trainer.fit(module, data, ckpt_path=last, weights_only=True)
    kept = checkpoints.restore(Path(keepers[0].best_model_path))
    device, reading = trainer.strategy.root_device, recipe.trainer
    after: dict[str, Recall] = {}
    for item in sets:
        # Of the kept model itself, in full precision.
        descriptors = describe(
            kept, item.images, batch=reading.validation_batch, workers=reading.workers, device=device
        )
        after[item.name] = judge(descriptors, item.task)
    outcome = TrainingResult(out / f"{recipe.name}.safetensors", before, after)
    _finish(recipe, outcome, kept)
    return outcome


def _trainer(recipe: Recipe, out: Path, callbacks: list[lightning.Callback]) -> lightning.Trainer:
    section = recipe.trainer
    callbacks = [*callbacks, LearningRateMonitor("step"), Preemption()]
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
        enable_progress_bar=sys.stderr.isatty(),
        enable_model_summary=False,
        callbacks=callbacks,
        default_root_dir=out,
        logger=[CSVLogger(out, name="csv"), TensorBoardLogger(out, name="tensorboard")],
    )


def is_main_process() -> bool:
    """Whether this is the one process of a run that writes and reports."""
    return int(getattr(rank_zero_only, "rank", 0) or 0) == 0


@rank_zero_only
def _finish(recipe: Recipe, outcome: TrainingResult, kept: PlaceModel) -> None:
    """Writes the model file and the summary."""
    checkpoints.save(kept, outcome.model, recipe=recipe.name, seed=str(recipe.seed))
    summary = {
        "recipe": recipe.name,
        "model": outcome.model.name,
        "before": {name: _numbers(recall) for name, recall in outcome.before.items()},
        "after": {name: _numbers(recall) for name, recall in outcome.after.items()},
    }
    (outcome.model.parent / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    forget_requeues(outcome.model.parent)


def _numbers(recall: Recall) -> dict[str, Any]:
    numbers: dict[str, Any] = {"queries": len(recall.hits), "answerable": int(recall.answerable.sum())}
    for k in recall.ks:
        interval = recall.interval(k)
        numbers[f"recall@{k}"] = [round(value, 4) for value in (interval.value, interval.low, interval.high)]
    return numbers
