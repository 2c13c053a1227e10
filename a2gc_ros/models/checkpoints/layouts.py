"""The layouts of published weights: how each publisher names the tensors of a file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Literal

from a2gc_ros.errors import CheckpointError
from a2gc_ros.models.aggregators.a2gc import GEOMETRY_SCALE

CONVOLUTIONS = 53
"""Of the whole MobileNetV2 with its classifier; EfficientNet-Lite0 has 50."""

UNUSED_CONVOLUTIONS = tuple(f"convs.{index}.*" for index in range(CONVOLUTIONS))

COUNTERS = "*.num_batches_tracked"
"""Of batch norms: older files lack them and evaluation does not read them."""

Renames = tuple[tuple[str, str], ...]


def _numbered_resnet(prefix: str) -> Renames:
    """A ResNet in an `nn.Sequential` without its classifier: the stem, then a number for each stage."""
    stem = ((f"{prefix}0.", "backbone.conv1."), (f"{prefix}1.", "backbone.bn1."))
    return (*stem, *((f"{prefix}{3 + stage}.", f"backbone.layer{stage}.") for stage in range(1, 5)))


_CHUNKED = re.compile(r"\bblocks\.\d+\.(?=\d+\.)")
"""Blocks that DINOv2's own training keeps in chunks; a block's number within its chunk is its number in the model."""

_COSPLACE_HEAD = (("aggregation.1.", "aggregator."), ("aggregation.3.", "aggregator.linear."))

_WRAPPED_BACKBONE = (("backbone.model.", "backbone."),)


@dataclass(frozen=True)
class CheckpointLayout:
    """How a publisher names the tensors of a file.

    Attributes:
        title: For messages.
        part: Whether the file holds a whole model or a backbone.
        telltales: Beginnings of names that only files of this layout have; none where a file does not tell.
        prefixes: (theirs, ours) for the beginnings of names; the first that fits is replaced.
        may_lack: Patterns of our names the file need not hold.
        unused: Patterns of our names, each for one part a model may be built without. Only where the model
            has no tensor of such a pattern do the file's stay unused.
        fixed: Our names to the value that the publisher's code gives to what its files do not hold.
        pointwise: Our names of linear layers whose weights the publisher keeps as convolutions of 1x1.
    """

    title: str
    part: Literal["model", "backbone"]
    telltales: tuple[str, ...] = ()
    prefixes: Renames = ()
    may_lack: tuple[str, ...] = ()
    unused: tuple[str, ...] = ()
    fixed: Mapping[str, float] = field(default_factory=dict)
    pointwise: tuple[str, ...] = ()

    def renamed(self, name: str) -> str:
        """Our name of a tensor that the file names `name`."""
        name = _CHUNKED.sub("blocks.", name)
        for theirs, ours in self.prefixes:
            if name.startswith(theirs):
                return ours + name[len(theirs) :]
        return name


LAYOUTS = {
    "lightning": CheckpointLayout(
        "a Lightning checkpoint of this project",
        "model",
        telltales=("model.backbone.", "model.aggregator."),
        prefixes=(("model.", ""),),
        unused=("loss.*",),
    ),
    "a2gc": CheckpointLayout(
        "a checkpoint of A2GC's public code",
        "model",
        telltales=("backbone.model.", "aggregator.geo_proj."),
        prefixes=_WRAPPED_BACKBONE,
        fixed={"aggregator.geo_scale": GEOMETRY_SCALE},
        pointwise=("aggregator.geo_proj.weight",),
    ),
    "megaloc": CheckpointLayout(
        "MegaLoc's weights",
        "model",
        # Our own models with a projection have these names, and are read alike.
        telltales=("backbone.", "aggregator.agg.", "aggregator.linear."),
        prefixes=_WRAPPED_BACKBONE,
        may_lack=("backbone.mask_token",),
    ),
    "boq": CheckpointLayout(
        "BoQ's weights",
        "model",
        telltales=("backbone.", "aggregator.boqs."),
        prefixes=(("backbone.dino.", "backbone."), *_numbered_resnet("backbone.net.")),
        may_lack=(COUNTERS, "backbone.mask_token"),
        unused=("backbone.norm.*",),
    ),
    "mixvpr": CheckpointLayout(
        "MixVPR's weights",
        "model",
        telltales=("backbone.", "aggregator.mix."),
        prefixes=_WRAPPED_BACKBONE,
        may_lack=(COUNTERS,),
    ),
    "cosplace": CheckpointLayout(
        "CosPlace's or EigenPlaces' weights over a ResNet",
        "model",
        telltales=("backbone.4.0.", "aggregation.1.p", "aggregation.3."),
        prefixes=(*_numbered_resnet("backbone."), *_COSPLACE_HEAD),
        may_lack=(COUNTERS,),
    ),
    "cosplace_vgg16": CheckpointLayout(
        "CosPlace's or EigenPlaces' weights over VGG-16",
        "model",
        telltales=("backbone.28.", "aggregation.1.p", "aggregation.3."),
        prefixes=(("backbone.", "backbone.features."), *_COSPLACE_HEAD),
    ),
    "netvlad": CheckpointLayout(
        "weights of NetVLAD in PyTorch over VGG-16",
        "model",
        telltales=("encoder.28.", "pool.conv.", "pool.centroids"),
        prefixes=(("encoder.", "backbone.features."), ("pool.", "aggregator.")),
        fixed={"aggregator.conv.bias": 0.0},
    ),
    "salad": CheckpointLayout(
        "SALAD's or CliqueMining's checkpoint",
        "model",
        telltales=("backbone.model.", "aggregator.score."),
        prefixes=_WRAPPED_BACKBONE,
    ),
    "own": CheckpointLayout("a model file of this project", "model", telltales=("backbone.", "aggregator.")),
    "backbone": CheckpointLayout("a backbone by its own names", "backbone"),
    "dinov2": CheckpointLayout(
        "DINOv2's own weights", "backbone", telltales=("cls_token", "blocks.0."), unused=("norm.*",)
    ),
    "torchvision": CheckpointLayout(
        "torchvision's ResNet weights",
        "backbone",
        telltales=("conv1.weight", "layer1.0."),
        may_lack=(COUNTERS,),
        unused=("layer2.*", "layer3.*", "layer4.*", "fc.*"),
    ),
    "torchvision_vgg16": CheckpointLayout(
        "torchvision's VGG-16 weights", "backbone", telltales=("features.28.",), unused=("classifier.*",)
    ),
    "mobilenetv2": CheckpointLayout(
        "folded MobileNetV2 weights", "backbone", telltales=("convs.0.",), unused=UNUSED_CONVOLUTIONS
    ),
    "efficientnet_lite": CheckpointLayout("folded EfficientNet-Lite0 weights", "backbone", unused=UNUSED_CONVOLUTIONS),
}
"""By name, the more particular telltales first."""

CRICAVPR = ("backbone.", "aggregation.1.p", "encoder.layers.")
"""Telltales of a model that is not built here."""


def detect_layout(names: Collection[str], *, source: str) -> str:
    """The first of `LAYOUTS` whose telltales a file's names have.

    Raises:
        CheckpointError: It has none; the message shows some of the names it has.
    """

    def tell(telltales: Collection[str]) -> bool:
        return bool(telltales) and all(any(name.startswith(telltale) for name in names) for telltale in telltales)

    if tell(CRICAVPR):
        raise CheckpointError(
            f"{source} is a checkpoint of CricaVPR, whose descriptor of an image depends on the other images of its "
            "batch: a robot that describes one image at a time cannot have it, so it is not built here."
        )
    for name, layout in LAYOUTS.items():
        if tell(layout.telltales):
            return name
    some = ", ".join(sorted(names)[:5])
    raise CheckpointError(
        f"{source} is in no known layout (its first names are {some or 'missing'}): "
        f"the layouts are {', '.join(sorted(LAYOUTS))}."
    )
