"""A model from a publisher's file alone: names tell whose it is, shapes tell how it was built."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import Tensor

from a2gc_ros.errors import CheckpointError
from a2gc_ros.images.preprocess import Preprocessing
from a2gc_ros.models.aggregators.a2gc import GEOMETRY_SCALE
from a2gc_ros.models.architecture import Architecture
from a2gc_ros.models.backbones.dinov2 import SIZES
from a2gc_ros.models.backbones.resnet import VARIANTS, Bottleneck
from a2gc_ros.models.checkpoints import files
from a2gc_ros.models.checkpoints.layouts import LAYOUTS, detect_layout
from a2gc_ros.models.place_model import PlaceModel
from a2gc_ros.models.weights.methods import METHODS

Tensors = Mapping[str, Tensor]


def read_model(path: Path, *, image_size: tuple[int, int] | None = None) -> tuple[PlaceModel, str]:
    """A model and its licence from one file: of a training of this project, or as a method's authors published it.

    Args:
        path: The file.
        image_size: Height and width of the input in pixels, if not the model's own.

    Raises:
        CheckpointError: The file is damaged, in no known layout, or holds a backbone alone.
        ModelError: The model cannot take this size.
    """
    if files.describes_itself(path):
        model = files.restore(path)
        if image_size is not None:
            resized = PlaceModel(model.architecture, _sized(model.preprocessing, image_size), name=model.name)
            resized.load_state_dict(model.state_dict())
            model = resized.eval()
        return model, files.stated_licence(path)
    found = files.read_tensors(path)
    layout = detect_layout(found, source=str(path))
    if LAYOUTS[layout].part == "backbone":
        raise CheckpointError(
            f"{path} holds {LAYOUTS[layout].title}, a backbone without an aggregator, which is no model yet: train one "
            "that starts from it (`pretrained: backbone`), or set a head from images with `a2gc export --fit`."
        )
    if layout not in _BUILDERS:
        raise CheckpointError(
            f"{path} does not say which model it holds: build the model by name and load the file into it "
            "(`a2gc export NAME --weights FILE`)."
        )
    tensors = files.in_our_words(found, LAYOUTS[layout])
    architecture = architecture_of(tensors, layout, source=str(path))
    over_resnet = layout == "boq" and architecture.backbone == "resnet"
    method = METHODS["boq_resnet" if over_resnet else layout]
    preprocessing = method.preprocessing if image_size is None else _sized(method.preprocessing, image_size)
    model = PlaceModel(architecture, preprocessing, name=_name(architecture, layout))
    files.load_tensors(model, found, layout, source=str(path))
    return model.eval(), method.licence


def licence_of(path: Path, layout: str) -> str:
    """The licence of a file of weights: what it states, or what the authors of its layout's method do."""
    stated = files.stated_licence(path)
    return METHODS[layout].licence if stated == files.UNSPECIFIED and layout in METHODS else stated


def architecture_of(tensors: Tensors, layout: str, *, source: str) -> Architecture:
    """How the model of a file was built, from its tensors by our names.

    Raises:
        CheckpointError: What tells it is missing or of a shape that no such model has.
    """
    try:
        return _BUILDERS[layout](tensors)
    except (KeyError, ValueError, IndexError) as error:
        raise CheckpointError(
            f"{source} (read as {LAYOUTS[layout].title}) does not tell how its model was built ({error}): it is "
            "damaged, or of another version; name a model and load the file into it with --weights."
        ) from error


def _sized(preprocessing: Preprocessing, size: tuple[int, int]) -> Preprocessing:
    return replace(preprocessing, height=size[0], width=size[1])


def _name(architecture: Architecture, layout: str) -> str:
    backbone = architecture.backbone
    variant = architecture.backbone_options.get("variant", backbone)
    return f"{layout.partition('_')[0]}-{f'{backbone}-{variant}' if backbone == 'dinov2' else variant}"


def _transport(kind: str, inside: str = "") -> Callable[[Tensors], Architecture]:
    """SALAD's heads over DINOv2, whoever trained them."""

    def build(tensors: Tensors) -> Architecture:
        head = f"aggregator.{inside}"
        options: dict[str, Any] = {
            "clusters": len(tensors[f"{head}score.3.weight"]),
            "cluster_dim": len(tensors[f"{head}cluster_features.3.weight"]),
            "token_dim": len(tensors[f"{head}token_features.2.weight"]),
            "hidden": len(tensors[f"{head}score.0.weight"]),
        }
        if kind == "A2GC":
            # λ is a number in the public code; a file that holds one has learned it.
            options["scale"] = None if f"{head}geo_scale" in tensors else GEOMETRY_SCALE
        projection = len(tensors["aggregator.linear.weight"]) if inside else None
        return Architecture("dinov2", kind, _dinov2_options(tensors), options, projection)

    return build


def _boq(tensors: Tensors) -> Architecture:
    options = {
        "channels": len(tensors["aggregator.norm_input.weight"]),
        "queries": tensors["aggregator.boqs.0.queries"].shape[1],
        "layers": _count(tensors, "aggregator.boqs"),
        "rows": len(tensors["aggregator.fc.weight"]),
    }
    if "backbone.cls_token" in tensors:
        return Architecture("dinov2", "BoQ", {**_dinov2_options(tensors), "final_norm": False}, options)
    return Architecture("resnet", "BoQ", _resnet_options(tensors), options)


def _mixvpr(tensors: Tensors) -> Architecture:
    cells = len(tensors["aggregator.mix.0.mix.0.weight"])
    side = math.isqrt(cells)
    if side * side != cells:
        raise ValueError(f"{cells} cells make no square grid")
    options = {
        "grid_rows": side,
        "grid_columns": side,
        "channels": len(tensors["aggregator.channel_proj.weight"]),
        "rows": len(tensors["aggregator.row_proj.weight"]),
        "depth": _count(tensors, "aggregator.mix"),
        "ratio": len(tensors["aggregator.mix.0.mix.1.weight"]) // cells,
    }
    return Architecture("resnet", "MixVPR", _resnet_options(tensors), options)


def _cosplace(tensors: Tensors) -> Architecture:
    options = {"descriptor_dim": len(tensors["aggregator.linear.weight"])}
    if "backbone.features.0.weight" in tensors:
        return Architecture("vgg16", "CosPlace", {}, options)
    return Architecture("resnet", "CosPlace", _resnet_options(tensors), options)


def _netvlad(tensors: Tensors) -> Architecture:
    return Architecture("vgg16", "NetVLAD", {}, {"clusters": len(tensors["aggregator.centroids"])})


_BUILDERS: dict[str, Callable[[Tensors], Architecture]] = {
    "salad": _transport("SALAD"),
    "a2gc": _transport("A2GC"),
    "megaloc": _transport("SALAD", "agg."),
    "boq": _boq,
    "mixvpr": _mixvpr,
    "cosplace": _cosplace,
    "cosplace_vgg16": _cosplace,
    "netvlad": _netvlad,
}


def _count(tensors: Tensors, container: str) -> int:
    pattern = re.compile(rf"{re.escape(container)}\.(\d+)\.")
    numbers = [int(found[1]) for name in tensors if (found := pattern.match(name))]
    if not numbers:
        raise ValueError(f"it has no {container}")
    return 1 + max(numbers)


def _dinov2_options(tensors: Tensors) -> dict[str, Any]:
    dim = tensors["backbone.cls_token"].shape[2]
    depth = _count(tensors, "backbone.blocks")
    variant = next((name for name, size in SIZES.items() if size.dim == dim), None)
    if variant is None:
        raise ValueError(f"no DINOv2 has {dim} channels")
    options: dict[str, Any] = {"variant": variant}
    if "backbone.register_tokens" in tensors:
        options["registers"] = True
    if depth != SIZES[variant].depth:
        options["depth"] = depth
    return options


def _resnet_options(tensors: Tensors) -> dict[str, Any]:
    last = max(int(found[1]) for name in tensors if (found := re.match(r"backbone\.layer(\d)\.", name)))
    depths = tuple(_count(tensors, f"backbone.layer{stage}") for stage in range(1, last + 1))
    bottleneck = "backbone.layer1.0.conv3.weight" in tensors
    for name, (block, of_stage) in VARIANTS.items():
        if of_stage[:last] == depths and (block is Bottleneck) == bottleneck:
            return {"variant": name, "last_stage": last}
    raise ValueError(f"no ResNet has stages of {depths} blocks")
