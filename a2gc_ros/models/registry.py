"""Models by name: ours, those of what installed packages add, and what may be changed in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Literal

from a2gc_ros.errors import ModelError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models import checkpoints
from a2gc_ros.models.architecture import (
    AGGREGATORS,
    BACKBONES,
    Architecture,
    aggregator_named,
    backbone_named,
    options_of,
)
from a2gc_ros.models.named_models import MODELS, SITE_HEAD, NamedModel
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.models.weights import download

OVER_ADDED_BACKBONES = ("A2GC", "SALAD", "GeM", "NetVLAD", "VLAD")


def _added() -> dict[str, Callable[[], NamedModel]]:
    """Models of what installed packages add, which is imported when one of them is made.

    A backbone stands under each aggregator of ours that takes any feature map, and an aggregator over each backbone
    that has a VLAD: ``gem-mine``, ``mine-resnet50``.
    """
    made: dict[str, Callable[[], NamedModel]] = {}
    for backbone in BACKBONES.added:
        for aggregator in OVER_ADDED_BACKBONES:
            name = f"{aggregator.lower()}-{backbone}"
            made[name] = partial(_over_added_backbone, name, aggregator, backbone)
    for aggregator in AGGREGATORS.added:
        for model in [model for model in MODELS.values() if model.name.startswith("vlad-")]:
            name = f"{aggregator.lower()}-{model.name.removeprefix('vlad-')}"
            made[name] = partial(_under_added_aggregator, name, aggregator, model)
    return {name: make for name, make in made.items() if name not in MODELS}


def _over_added_backbone(name: str, aggregator: str, backbone: str) -> NamedModel:
    options = SITE_HEAD if aggregator == "VLAD" else {}
    kind = BACKBONES[backbone]
    architecture = Architecture(backbone, aggregator, {}, options)
    return NamedModel(name, architecture, kind.preprocessing, kind.backbone_weights)


def _under_added_aggregator(name: str, aggregator: str, like: NamedModel) -> NamedModel:
    architecture = replace(like.architecture, aggregator=aggregator, aggregator_options={})
    return replace(like, name=name, architecture=architecture, weights=None)


def model_names() -> list[str]:
    """Every name that `named` knows: ours, then those of what installed packages add."""
    return [*MODELS, *_added()]


def named(name: str) -> NamedModel:
    """The model of a name.

    Raises:
        ModelError: There is none, and the message lists all names; or what a package adds cannot be loaded.
    """
    if name in MODELS:
        return MODELS[name]
    added = _added()
    if name not in added:
        raise ModelError(f"There is no model named {name!r}; choose one of {', '.join(sorted([*MODELS, *added]))}.")
    return added[name]()


def build(
    name: str,
    *,
    image_size: tuple[int, int] | None = None,
    pretrained: bool | Literal["backbone"] = False,
    trainable_blocks: int | None = None,
    backbone: str | None = None,
    aggregator: str | None = None,
    **overrides: Any,
) -> PlaceModel:
    """Builds a named model.

    Args:
        name: One of `model_names`.
        image_size: Height and width of the input in pixels, if not the named model's own.
        pretrained: True loads the published weights of the whole model, "backbone" those of its backbone alone,
            downloading them on first use; False leaves everything at its random start.
        trainable_blocks: How many of the backbone's last blocks may train; all of it if not given.
        backbone: Another backbone in place of the named model's, with its own options: a name or a dotted path.
        aggregator: The same for the aggregator.
        **overrides: Options of the backbone, of the aggregator or of the preprocessing by their own names, or
            `projection`.

    Raises:
        ModelError: The name or an option does not exist, or the model cannot take this size.
        CheckpointError: The weights do not fit, for instance because an override changed a shape.
        DownloadError: The weights cannot be had.
    """
    entry = named(name)
    if backbone is not None or aggregator is not None:
        entry = _with_parts(entry, backbone, aggregator)
    architecture, preprocessing = _overridden(entry, overrides)
    if image_size is not None:
        preprocessing = replace(preprocessing, height=image_size[0], width=image_size[1])
    model = PlaceModel(architecture, preprocessing, name=entry.name)
    if pretrained:
        weights = entry.backbone_weights if pretrained == "backbone" else entry.weights
        if weights is None and backbone is not None:
            raise ModelError(f"No weights of the backbone {backbone} are known; leave `pretrained` out.")
        if weights is None:
            raise ModelError(
                f"No weights of the whole model {name} are published: pretrained='backbone' starts it from its "
                "backbone's, for training."
            )
        checkpoints.load(model, download.fetch(weights), weights.layout)
    model.backbone.set_trainable_blocks(trainable_blocks)
    return model


def _with_parts(entry: NamedModel, backbone: str | None, aggregator: str | None) -> NamedModel:
    """A named model with another backbone or aggregator, which come without options and weights of the whole."""
    architecture = entry.architecture
    if backbone is not None:
        architecture = replace(architecture, backbone=backbone, backbone_options={})
        entry = replace(entry, backbone_weights=None)
    if aggregator is not None:
        architecture = replace(architecture, aggregator=aggregator, aggregator_options={})
    parts = (part.rpartition(".")[2].lower() for part in (architecture.aggregator, architecture.backbone))
    return replace(entry, name="-".join(parts), architecture=architecture, weights=None)


def _overridden(entry: NamedModel, overrides: Mapping[str, Any]) -> tuple[Architecture, Preprocessing]:
    architecture = entry.architecture
    backbone_options = options_of(backbone_named(architecture.backbone))
    aggregator_options = options_of(aggregator_named(architecture.aggregator))
    preprocessing_options = {"resize", "interpolation", "antialias", "mean", "std"}
    known = backbone_options | aggregator_options | preprocessing_options | {"projection"}
    unknown = [option for option in overrides if option not in known]
    if unknown:
        raise ModelError(
            f"{entry.name} has no option {', '.join(map(repr, unknown))}; it takes {', '.join(sorted(known))}."
        )

    def chosen(names: set[str]) -> dict[str, Any]:
        return {option: value for option, value in overrides.items() if option in names}

    changed = replace(
        architecture,
        backbone_options={**architecture.backbone_options, **chosen(backbone_options)},
        aggregator_options={**architecture.aggregator_options, **chosen(aggregator_options)},
        projection=overrides.get("projection", architecture.projection),
    )
    return changed, replace(entry.preprocessing, **chosen(preprocessing_options))
