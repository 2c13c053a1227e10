"""A dry run of a recipe: everything it does, on rooms rendered on the fly, in less than a minute on two cores."""

from __future__ import annotations

from dataclasses import replace

from a2gc_ros.models import NamedModel, named
from a2gc_ros.models.architecture import aggregator_named, options_of
from a2gc_training.data.generated import GeneratedSource
from a2gc_training.recipe import Recipe, ValidationSection
from a2gc_training.sections import DistillationSection, ModelSection

PLACES = 24
VALIDATION_PLACES = 4
VIEWS = 2
BATCH_PLACES = 3
DEPTH = 2
"""Blocks that are left of a transformer."""

STEPS = 2
EPOCHS = 1
HEAD_IMAGES = 40
HEAD_DIM = 16
"""Components of a head that starts from the data: principal components need more images than there are of them."""


def rehearsal(recipe: Recipe) -> Recipe:
    """The recipe cut down to what shows that it works, anywhere; what its model reaches means nothing.

    Sections keep their meaning: the same network family at the same image size, loss, augmentation, distillation and
    schedule. Its data, which need not be there, are replaced by rendered rooms, published weights by a random start,
    several devices by one CPU process, a transformer's depth by `DEPTH` blocks.
    """
    model, sampling = named(recipe.model.name), recipe.sampling
    height, width = recipe.model.image_size or (model.preprocessing.height, model.preprocessing.width)

    def rooms(seed: int, places: int) -> GeneratedSource:
        return GeneratedSource(places, VIEWS, height, width, seed=seed, places_per_room=4)

    return replace(
        recipe,
        model=_model(recipe.model, model, from_data=recipe.initialize.images > 0),
        train=tuple(rooms(number, PLACES) for number in range(len(recipe.train))),
        validation=tuple(
            ValidationSection(section.name, rooms(1000 + number, VALIDATION_PLACES))
            for number, section in enumerate(recipe.validation)
        ),
        initialize=replace(recipe.initialize, images=min(recipe.initialize.images, HEAD_IMAGES)),
        sampling=replace(
            sampling,
            places_per_batch=min(sampling.places_per_batch, BATCH_PLACES),
            images_per_place=min(sampling.images_per_place, VIEWS),
            min_images=1,
            steps_per_epoch=STEPS,
            from_one=None if sampling.from_one is None else "room",
            across=None if sampling.across is None else "view",
        ),
        distillation=_distillation(recipe.distillation),
        trainer=replace(
            recipe.trainer,
            epochs=min(recipe.trainer.epochs, EPOCHS),
            precision="32-true" if recipe.trainer.precision == "32-true" else "bf16-mixed",
            accelerator="cpu",
            devices=1,
            nodes=1,
            strategy="auto",
            workers=0,
            keep_images=True,
            log_every=1,
        ),
    )


def _model(section: ModelSection, model: NamedModel, *, from_data: bool) -> ModelSection:
    options = dict(section.options)
    trainable = section.trainable_blocks
    if section.backbone is None and model.architecture.backbone == "dinov2":
        options["depth"] = min(options.get("depth") or DEPTH, DEPTH)
        trainable = None if trainable is None else min(trainable, DEPTH - 1)
    if from_data:
        aggregator = section.aggregator or model.architecture.aggregator
        if "token_dim" in options_of(aggregator_named(aggregator)):
            options["token_dim"] = HEAD_DIM
        if options.get("projection", model.architecture.projection) is not None:
            options["projection"] = HEAD_DIM
    return replace(
        section,
        pretrained=False,
        weights=None,
        layout=None,
        may_lack=(),
        trainable_blocks=trainable,
        options=options,
    )


def _distillation(section: DistillationSection) -> DistillationSection:
    """The same with the student's own start as the teacher, which is always at hand."""
    return replace(
        section,
        teacher=None,
        teacher_weights=None,
        teacher_options={},
        compare="similarities" if section.compare == "descriptors" else section.compare,
        teacher_sees="viewpoint" if section.teacher_sees == "original" else section.teacher_sees,
    )
